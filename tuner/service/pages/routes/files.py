"""The style, the script and the mark of the pages, which everybody may have."""

from __future__ import annotations

import mimetypes

from fastapi import APIRouter, HTTPException, Response

from tuner.service.pages.rendering import FILES

router = APIRouter()


@router.get("/static/{name}")
async def file(name: str) -> Response:
    """A file. Its address changes with what is in it, so it may be kept for ever."""
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    kind, _ = mimetypes.guess_type(name)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(FILES[name], media_type=kind, headers=headers)
