"""The pages' routes: each file a part of the site."""

from fastapi import APIRouter

from tuner.service.pages.routes import entrance, files, live, queue, recurring, sweep, sweeps

router = APIRouter(include_in_schema=False)
for part in (sweeps, sweep, live, queue, recurring, entrance, files):
    router.include_router(part.router)
