"""Parameters that many paths have, and what is said of them in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

API = "/api/v1"

SweepId = Annotated[
    str,
    Path(
        description="A sweep's id, or its name for the latest one.",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=96,
        examples=["digits-1"],
    ),
]
TrialIndex = Annotated[int, Path(description="The trial's number, from 0.", ge=0, le=2**31 - 1, examples=[0])]
Limit = Annotated[int, Query(description="How many items a page has at most.", ge=1, le=1_000)]
After = Annotated[
    str | None,
    Query(description="`next` of the page before.", pattern=r"^[A-Za-z0-9._-]+$", max_length=96),
]
Top = Annotated[int, Query(description="How many configurations.", ge=1, le=1_000)]
Name = Annotated[str | None, Query(description="Of this name only.", max_length=64, examples=["digits"])]
