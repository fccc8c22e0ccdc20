"""The service as an ASGI application: its routes, and what every request passes on its way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tuner import __version__
from tuner.ledger import SqlLedger
from tuner.service import pages, problems
from tuner.service.audit import Audit
from tuner.service.guards import SameOrigin, SecurityHeaders
from tuner.service.measures import Timing
from tuner.service.routes import catalog, doing, listening, looking, probes, recurring
from tuner.service.settings import MAX_BODY, THREADS, Settings
from tuner.service.state import Service

DESCRIPTION = """\
Sweeps over optimizers, hyperparameters and learning-rate schedules: hand them over, watch them, read what came of them.

Every request but `/health` and `/ready` wants a token, as `Authorization: Bearer TOKEN`, unless the service listens on
its own machine only and no token was ever made. Its role says what it may do: `read` looks, `submit` hands over sweeps
and changes its own, `admin` does everything. Errors are problem documents (RFC 9457).
"""


def create_app(ledger: SqlLedger, settings: Settings) -> FastAPI:
    """The application."""
    service = Service.of(ledger, settings)
    app = FastAPI(
        title="tuner",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,  # it is a route like the others, and needs a role like them
        lifespan=_lifespan,
        max_body_size=MAX_BODY,
        redirect_slashes=False,
        middleware=[
            Middleware(Timing, measures=service.measures),
            Middleware(SecurityHeaders),
            Middleware(pages.ReadableProblems),
            Middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False),
            Middleware(SameOrigin),
            Middleware(Audit, tokens=ledger.tokens),
        ],
    )
    app.state.service = service
    problems.install(app)
    for part in (looking, listening, doing, recurring, catalog, probes, pages):
        app.include_router(part.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
    app.state.service.stopping.set()
