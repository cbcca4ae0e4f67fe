"""JSON files of runs and evaluations: written whole or not at all, with a checksum over what they say.

It must not know what they say, and it reads no clock.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from hilbench.errors import RecordError
from hilbench.files import at, regular, write_whole

CHECK = "crc32"
"""The last key of every such file: CRC-32 of the JSON of all the others, as `json.dumps` writes it by itself."""
RESERVE = ".reserve"
RESERVE_BYTES = 2**18


def write_sealed(path: Path, found: Struct | Mapping[str, Any]) -> None:
    """Replace a file whole. Raises OSError with the file's path.

    Parameters
    ----------
    path : Path
        The file.
    found : Struct or dict
        What it is to say.
    """
    text = to_json(found)
    whole = f'{text[:-1]}{", " if text != "{}" else ""}"{CHECK}": {zlib.crc32(text.encode())}}}'
    write_whole(path, indented(whole))


def to_json(found: Struct | Mapping[str, Any]) -> str:
    """A struct or a dict on one line of JSON: NumPy's numbers as Python's, and "NaN" or "Infinity" as text."""
    whole = msgspec.to_builtins(found, enc_hook=_from_numpy)
    try:
        return json.dumps(whole, allow_nan=False)
    except ValueError:
        return json.dumps(_worded(whole))


def indented(text: str) -> bytes:
    """JSON with a line for each entry."""
    try:
        return msgspec.json.format(text.encode(), indent=2)
    except msgspec.DecodeError:  # a path in it is not UTF-8, which it does not take; `json` does, and takes longer
        return json.dumps(json.loads(text), indent=2).encode()


def _from_numpy(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"found {value!r}; allowed: what JSON can say")


def _worded(value: Any) -> Any:
    """The same with text in place of numbers that JSON has no word for; lax conversion reads it as a float again."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _worded(item) for key, item in value.items()}
    return [_worded(item) for item in value] if isinstance(value, list | tuple) else value


def read_sealed(path: Path) -> dict[str, Any]:
    """What such a file says. Raises RecordError when it is missing, unreadable or not what was written."""
    where, name = path.parent, path.name
    try:
        found = json.loads(regular(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{where}: no readable {name} in this folder ({error})") from None
    if not isinstance(found, dict) or CHECK not in found:
        what = f"{name} has no {CHECK!r}" if isinstance(found, dict) else f"{name} holds no JSON object"
        raise RecordError(f"{where}: {what}; it is damaged, or no file of this version of hilbench")
    if (said := found.pop(CHECK)) != (is_now := _checksum(found)):
        raise RecordError(
            f"{where}: {name} is damaged: its CRC-32 is {is_now}, and was {said} when it was written; take it from a "
            "copy, or make it again"
        )
    return found


def reserve(folder: Path) -> None:
    """Hold some room in a folder, so that the last word of what happens there can be written to a full disk."""
    path = folder / RESERVE
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except AttributeError:  # a system other than Linux
        path.write_bytes(os.urandom(RESERVE_BYTES))
    except OSError as error:
        release(folder)
        raise at(path, error) from None


def release(folder: Path) -> None:
    """Give that room back; nothing happens where it was given back before."""
    with suppress(OSError):
        (folder / RESERVE).unlink(missing_ok=True)


def _checksum(found: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(found).encode())
