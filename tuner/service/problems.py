"""What went wrong, told as RFC 9457 has it: every error of the service is such a document, none shows a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tuner.client import wire
from tuner.errors import (
    ConflictError,
    ExecutorError,
    HyperError,
    LeaseError,
    SpecError,
    StoreError,
    TunerError,
    UnknownNameError,
    UsageError,
    WorkloadError,
)

RETRY_SECONDS = 5
_STATUS: Mapping[type[TunerError], int] = {
    UnknownNameError: 404,
    SpecError: 422,
    HyperError: 422,
    UsageError: 400,
    WorkloadError: 422,
    LeaseError: 409,
    ConflictError: 409,
    StoreError: 503,
    ExecutorError: 503,
    TunerError: 409,  # what is asked for is not there yet: nothing has won, no curve is whole
}


class AnsweredError(Exception):
    """An error of tuner's that is answered with another status than usual."""

    def __init__(self, error: TunerError, status: int) -> None:
        self.error, self.status = error, status
        super().__init__(str(error))


class Problem(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


DESCRIBED: Mapping[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "The request must change; `detail` says what is wrong, where, and what to do.",
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
                "example": {
                    "type": "urn:tuner:problem:unknown-name",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "unknown sweep 'digit-1'; did you mean 'digits-1'?; known: digits-1",
                },
            }
        },
    }
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> Problem:
    """A problem of that status."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Problem(told, status_code=status, headers=headers)


def told(error: TunerError, status: int | None = None) -> Problem:
    """The problem that an error of tuner's is."""
    status = status or next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    document = wire.problem(error)
    return problem(status, str(document.pop("detail")), headers, **document)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""

    async def tuners(_: Request, error: Exception) -> Problem:
        return told(error.error, error.status) if isinstance(error, AnsweredError) else told(_expected(error))

    async def https(_: Request, error: Exception) -> Problem:
        assert isinstance(error, HTTPException)  # noqa: S101 - FastAPI calls this for nothing else
        return problem(error.status_code, str(error.detail), error.headers)

    async def invalid(_: Request, error: Exception) -> Problem:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        wrong = [(".".join(map(str, one["loc"])), str(one["msg"])) for one in error.errors()]
        detail = "; ".join(f"{where}: {message}" for where, message in wrong)
        return problem(422, detail, errors=[{"where": where, "message": message} for where, message in wrong])

    async def unexpected(_: Request, error: Exception) -> Problem:  # noqa: ARG001 - the server logs it with its traceback
        return problem(500, "something went wrong in the service; its log says what")

    app.add_exception_handler(TunerError, tuners)
    app.add_exception_handler(AnsweredError, tuners)
    app.add_exception_handler(HTTPException, https)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


def _expected(error: Exception) -> TunerError:
    assert isinstance(error, TunerError)  # noqa: S101
    return error
