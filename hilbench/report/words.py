"""Numbers and names as people read them: SI prefixes, three significant digits, a setting as words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
PREFIXED = ("s", "m", "J", "W", "rad", "N m", "Hz")
SUFFIXES = {
    **{"s": "s", "m": "m", "j": "J", "w": "W", "rad": "rad", "nm": "N m", "hz": "Hz", "kg": "kg", "n": "N"},
    **{"deg": "deg", "pa": "Pa", "db": "dB", "percent": "%"},
    **{"m_s": "m/s", "rad_s": "rad/s", "per_s": "1/s", "nm_rad": "N m/rad", "rad_s_m": "rad s/m"},
}
"""The endings of names in scenario files, and the units that they mean."""
ABSENT = "—"


def prefix(unit: str, values: Iterable[float | None]) -> tuple[float, str]:
    """The factor that makes values easy to read, and their unit after it, for the median of them.

    Parameters
    ----------
    unit : str
        The values' unit; only those of PREFIXED get a prefix.
    values : iterable of float or None
        None and 0 do not count.
    """
    sizes = [abs(value) for value in values if value]
    if unit not in PREFIXED or not sizes:
        return 1.0, "" if unit == "1" else unit
    middle = float(np.median(sizes))
    factor, letter = next((each for each in PREFIXES if middle >= each[0]), PREFIXES[-1])
    if unit == "m" and factor > 1:  # nobody reads megametres
        factor, letter = 1.0, ""
    return 1 / factor, letter + unit


def figure(value: float | None) -> str:
    """A number with three significant digits; a whole number below a million as it is."""
    if value is None or not np.isfinite(value):
        return ABSENT
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{mantissa}×10{raised}".replace("-", "−")
    digits = (
        0
        if np.isclose(value, round(value), rtol=1e-9, atol=0) or size >= 100
        else 1
        if size >= 10
        else 2
        if size >= 1
        else 3
    )
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "−")


def interval(low: float, high: float) -> str:
    """Two bounds as one text.

    Parameters
    ----------
    low : float
    high : float
        In the same unit.
    """
    return f"{figure(low)} to {figure(high)}"


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit, under a fitting prefix.

    Parameters
    ----------
    value : float or None
    unit : str
        The value's unit, without a prefix.
    """
    factor, shown = prefix(unit, [value])
    return f"{figure(None if value is None else value * factor)} {shown}".strip()


def setting(key: str, value: Any) -> str:
    """A setting of a scenario as words, as in "delay 10 ms" or "learning rate 0.02".

    Parameters
    ----------
    key : str
        SECTION.FIELD.
    value : Any
        The field's value, in the unit that its name ends in.
    """
    name, unit = named(key)
    if isinstance(value, Mapping):
        return f"{name} of " + ", ".join(f"{each} {found}" for each, found in value.items())
    if isinstance(value, (list, tuple)):
        return f"{name} {', '.join(map(str, value))}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{name} {value}"
    factor, shown = prefix(unit or "1", [value])
    return f"{name} {value * factor:g} {shown}".strip()


def heading(metric: str) -> str:
    """A metric's name as a column's heading: `my_metrics:torque_peak[hip]` is "torque peak", and "hip" below it."""
    stem, _, label = metric.partition("[")
    return "\n".join(filter(None, (stem.rpartition(":")[2].replace("_", " "), label.rstrip("]"))))


def named(key: str) -> tuple[str, str]:
    """The name of SECTION.FIELD as words, and its unit."""
    *sections, last = key.split(".")
    if last in SUFFIXES or last == "kind":
        stem, ending = (sections or [last])[-1], last
    else:
        stem, ending = _parted(last)
    return stem.replace("_", " "), SUFFIXES.get(ending, "")


def _parted(name: str) -> tuple[str, str]:
    """A name without its longest ending that is a unit, and that ending; "" where it has none."""
    parts = name.split("_")
    for n in (3, 2, 1):
        ending = "_".join(parts[-n:])
        if len(parts) > n and ending in SUFFIXES:
            return "_".join(parts[:-n]), ending
    return name, ""


TIMES = ("at_s", "until_s", "ramp_s", "at_episode", "until_episode")
"""When a disturbance acts, which its mark's place tells."""


def disturbance(name: str, table: Mapping[str, Any]) -> str:
    """A disturbance with a setting of its own: "load: mass 1.5 kg"; of a fault the mode, and the next one.

    It is the first, but for a factor of 1, which does nothing.

    Parameters
    ----------
    name : str
        What the scenario calls it.
    table : mapping
        Its table.
    """
    own = [key for key in table if key not in ("kind", *TIMES)]
    own = [key for key in own if named(key)[1] or table[key] is True or table[key] != 1] or own
    size = ", ".join(setting(key, table[key]) for key in own[: 2 if own[:1] == ["mode"] else 1])
    return f"{name}: {size}" if size else name


def subject(info: str) -> str:
    """An info key without its unit, as words: `tip_error_m` is "tip error"."""
    return _parted(info)[0].replace("_", " ")


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def some(names: Sequence[str], most: int = 4) -> str:
    """The first few names, and how many more there are.

    Parameters
    ----------
    names : sequence of str
    most : int
        Up to so many are all named.
    """
    return listed(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def counted(n: float, noun: str) -> str:
    """A count with its noun, as in "1 cell", "3 cells" or "2.5 cells".

    Parameters
    ----------
    n : float
        A count, or a mean of counts.
    noun : str
        In the singular.
    """
    return f"{figure(n)} {noun}{'' if n == 1 else 's'}"
