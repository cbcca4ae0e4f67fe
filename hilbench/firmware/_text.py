"""Constant arrays as C writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

import numpy as np
from numpy.typing import ArrayLike


def array(declaration: str, found: Iterable[object], comment: str) -> str:
    """A constant array; C has none without elements, so an empty one has a zero that nothing reads."""
    inner = fill(
        ", ".join([str(each) for each in found] or ["0"]), 116, initial_indent="    ", subsequent_indent="    "
    )
    return f"/* {comment} */\nstatic const {declaration}[] = {{\n{inner}\n}};\n"


def structs(declaration: str, found: Sequence[tuple[Sequence[object], str]], comment: str) -> str:
    """A constant array of structs, one a line with its name beside it."""
    lines = [f"    {{{', '.join(map(str, row))}}},{f' /* {name} */' if name else ''}" for row, name in found]
    return f"/* {comment} */\nstatic const {declaration}[] = {{\n" + "\n".join(lines or ["    {0}"]) + "\n};\n"


def doubles(numbers: ArrayLike) -> list[str]:
    """Numbers to the last bit."""
    return [float(number).hex() for number in np.asarray(numbers).ravel()]


def floats(numbers: ArrayLike) -> list[str]:
    """Numbers in single precision, to its last bit."""
    return [f"{number}f" for number in doubles(np.asarray(numbers, np.float32))]
