"""The service's pages for people: made on the server, kept fresh by one small script, whole without it."""

from tuner.service.pages.refusals import ReadableProblems
from tuner.service.pages.routes import router

__all__ = ["ReadableProblems", "router"]
