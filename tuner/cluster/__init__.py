"""Sweeps that run by themselves: handed to a queue, run as processes or Ray jobs, begun again by the calendar."""

from tuner.cluster.backend import Setting
from tuner.cluster.recurring import Scheduler, add_recurring, run_now
from tuner.cluster.runner import Runner
from tuner.cluster.submission import drafted, submit
from tuner.cluster.webhook import Webhook
from tuner.cluster.work import Work

__all__ = ["Runner", "Scheduler", "Setting", "Webhook", "Work", "add_recurring", "drafted", "run_now", "submit"]
