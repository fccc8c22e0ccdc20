"""The docstring of a rule or schedule as text for a terminal and as Markdown.

Of reStructuredText, pages use paragraphs, ``- `` lists, ``.. math::`` blocks, doctests, and inline literals and maths.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

_MATH = ".. math::"
_INLINE = re.compile(r":math:`(.+?)`", re.DOTALL)
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_ITEM = re.compile(r"\n(?=- )")


def terminal(page: str, width: int) -> str:
    """``page`` in lines of at most ``width`` characters; formulas keep their LaTeX and their own lines, indented."""
    return "\n\n".join(_in_terminal(block, width) for block in _blocks(page))


def markdown(page: str) -> str:
    """``page`` as Markdown, formulas as ``$$`` blocks and doctests as code."""
    return "\n\n".join(_in_markdown(block) for block in _blocks(page))


def _blocks(page: str) -> Iterator[str]:
    """Paragraphs, list items, formulas and doctests, one after the other."""
    for block in re.split(r"\n(?:[ \t]*\n)+", inspect.cleandoc(page)):
        if block.startswith(" "):  # another formula of the block before
            yield f"{_MATH}\n{block}"
        else:
            yield from [block] if block.startswith((_MATH, ">>>")) else _ITEM.split(block)


def _formula(block: str) -> str:
    """The LaTeX of a formula's block."""
    first, _, rest = block.removeprefix(_MATH).partition("\n")
    return "\n".join(part for part in (first.strip(), textwrap.dedent(rest)) if part)


def _in_terminal(block: str, width: int) -> str:
    if block.startswith(_MATH):
        return textwrap.indent(_formula(block), "    ")
    if block.startswith(">>>"):
        return textwrap.indent(block, "    ")
    text = _LITERAL.sub(r"\1", _INLINE.sub(r"\1", block))
    indent = "  " if block.startswith("- ") else ""
    return textwrap.fill(" ".join(text.split()), width, subsequent_indent=indent, break_long_words=False)


def _in_markdown(block: str) -> str:
    if block.startswith(_MATH):
        formula = _formula(block)
        lines = f"\\begin{{aligned}}\n{formula}\n\\end{{aligned}}" if r"\\" in formula else formula
        return f"$$\n{lines}\n$$"
    if block.startswith(">>>"):
        return f"```python\n{block}\n```"
    return _LITERAL.sub(r"`\1`", _INLINE.sub(lambda found: f"${' '.join(found[1].split())}$", block))
