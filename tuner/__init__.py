"""Search optimizers, their hyperparameters and learning-rate schedules: whole populations of trials, one ledger."""

__version__ = "0.1.0"
