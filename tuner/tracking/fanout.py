"""Several sinks as one: a bug in one of them costs that view, never the sweep or the other views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuner.protocols import Sink
from tuner.trial import Event


class SinkSet:
    """Hands events to every sink in order; a sink that raises is reported through ``warn`` once and switched off."""

    def __init__(self, sinks: Sequence[Sink], *, warn: Callable[[str], None]) -> None:
        self._sinks = list(sinks)
        self._warn = warn

    def write(self, events: Sequence[Event]) -> None:
        """Take recorded events."""
        self._each(lambda sink: sink.write(events))

    def close(self) -> None:
        """Close every sink, in order; each may take its own bounded time."""
        self._each(lambda sink: sink.close())

    def _each(self, call: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            try:
                call(sink)
            except Exception as error:  # noqa: BLE001 - whatever a view raises, the sweep goes on
                self._sinks.remove(sink)
                self._warn(
                    f"{type(sink).__name__}: switched off after {type(error).__name__}: {error}; "
                    "the sweep goes on and the ledger is complete"
                )
