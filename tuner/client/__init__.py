"""Sweeps from a program, a notebook or a terminal: in a database at hand, or behind a service."""

from tuner.client.client import Client, Form
from tuner.client.results import Best, Curve, Driver, Page, Scheduled, Shown, Standing, Told
from tuner.client.schedules import Schedules, SpecLike

__all__ = [
    "Best",
    "Client",
    "Curve",
    "Driver",
    "Form",
    "Page",
    "Scheduled",
    "Schedules",
    "Shown",
    "SpecLike",
    "Standing",
    "Told",
]
