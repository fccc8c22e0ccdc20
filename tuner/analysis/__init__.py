"""What a sweep says: configurations and their statistics, verdicts, leaderboards, plots, reports and exports.

Everything here is a pure function of a ``Sweep`` and its ``TrialRecord``s; nothing here opens a store.
"""
