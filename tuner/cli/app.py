"""The command line: parse, call, print. Exit code 0 done, 1 failed, 2 bad usage or bad spec, 130 interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from tuner.cli import (
    compare,
    doctor,
    output,
    queue,
    registries,
    replay,
    review,
    schedule,
    serve,
    simulate,
    sweeps,
    token,
)
from tuner.errors import TunerError

app = typer.Typer(
    name="tuner",
    help="Search optimizers, their hyperparameters and learning-rate schedules.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (sweeps, queue, schedule, review, compare, replay, serve, token, simulate, registries, doctor):
    part.register(app)


@app.callback()
def where(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="TUNER_SERVER",
            help="Ask this service, not a store; TUNER_TOKEN is its token.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Search optimizers, their hyperparameters and learning-rate schedules."""
    output.ask(server, os.environ.get("TUNER_TOKEN"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; a user's mistake is one message, never a traceback."""
    try:
        code = app(arguments, standalone_mode=False)
    except TunerError as error:
        print(f"error: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        code = error.exit_code
    except TyperException as error:
        print(f"error: {error.format_message()} (--help explains)", file=sys.stderr)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt) as interrupt:
        notes = getattr(interrupt.__cause__ or interrupt, "__notes__", ())
        print("interrupted", *notes, sep="; ", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader went away (`tuner list | head`): not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code or 0)
