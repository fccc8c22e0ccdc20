"""``python -m tuner.reference [FOLDER]`` writes the generated documents, into docs/ by default."""

from __future__ import annotations

import sys
from pathlib import Path

from tuner.reference.documents import documents


def write(folder: Path) -> None:
    """Write every document; pictures of schedules that are no more are removed."""
    found = documents()
    for path, text in found.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for picture in folder.glob("schedules/*.svg"):
        if str(picture.relative_to(folder)) not in found:
            picture.unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
