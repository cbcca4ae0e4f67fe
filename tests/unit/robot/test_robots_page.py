"""docs/robots.md against the code: every size, offset, number, name and limit in its tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import Struct

from hilbench.bridge.protocol import wire
from hilbench.envs.remote import Config
from hilbench.robot import description, frames, session
from hilbench.robot.description import Actuated, Description, Observed, Sensor
from hilbench.robot.frames import Code, Flag, Kind

PAGE = Path(__file__).parents[3].joinpath("docs", "robots.md").read_text("utf-8")
CHARS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f32": "f"}


def section(title: str) -> str:
    found = re.search(rf"^##+ {title}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    assert found, title
    return found[1]


def tables(title: str) -> list[list[list[str]]]:
    """Every table under a heading, without its head."""
    found = re.findall(r"^\|---.*\n((?:\|.*\n)+)", section(title), re.M)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()] for rows in found]


def expanded(layout) -> list[str]:
    """A struct format one character a field: '3Q' as 'QQQ', '16s' and '7x' as they are."""
    pieces = re.findall(r"(\d*)([a-zA-Z])", layout.format)
    return [f"{n}{c}" if c in "sx" else c for n, c in pieces for _ in range(1 if c in "sx" else int(n or 1))]


@pytest.mark.parametrize(
    ("title", "number", "layout"),
    [
        ("Header", 0, frames.HEADER),
        ("HELLO", 0, frames.HELLO),
        ("HELLO", 1, frames.HELLO_ANSWER),
        ("RESET", 0, frames.RESET),
        ("ACT", 0, frames.ACT),
        ("SENSE", 0, frames.SENSE),
        ("ERROR", 0, frames.ERROR),
    ],
)
def test_layouts(title, number, layout):
    at, formats = 0, []
    for offset, size, kind, *_ in tables(title)[number]:
        assert int(offset) == at
        at += int(size)
        formats.append({"bytes": f"{size}s", "pad": f"{size}x"}.get(kind) or CHARS[kind])
    assert formats == expanded(layout)
    assert at == layout.size


def test_the_header_is_laid_out_as_that_of_a_device():
    assert frames.HEADER.format == wire.HEADER.format
    assert frames.MAGIC != wire.MAGIC
    assert tuple(row[3] for row in tables("Header")[0]) == frames.Header._fields


def test_fields_of_a_sense_have_the_names_of_the_code():
    named = [row[3] for row in tables("SENSE")[0]]
    own = frames.Sense._fields
    assert named == [name for name in own if name not in ("seq", "flags", "t_ns", "obs", "events")]


@pytest.mark.parametrize(("title", "enum", "at"), [("Kinds", Kind, (0, 1)), ("Flags", Flag, (1, 2))])
def test_numbers(title, enum, at):
    assert [(int(row[at[0]]), row[at[1]]) for row in tables(title)[0]] == [(each.value, each.name) for each in enum]


def test_codes():
    assert [(int(code), name) for code, name, _ in tables("ERROR")[1]] == [(code.value, code.name) for code in Code]


def test_keys_of_the_description():
    keys: dict[str, list[str]] = {}
    for of, key, kind, _ in tables("HELLO")[2]:
        keys.setdefault(of, []).append(key)
        struct = STRUCTS[of]
        optional = struct.__struct_defaults__[::-1]
        names = struct.__struct_fields__[len(struct.__struct_fields__) - len(optional) :]
        assert ("absent" in kind) == (key in names), key
    assert keys == {of: list(struct.__struct_fields__) for of, struct in STRUCTS.items()}


STRUCTS: dict[str, type[Struct]] = {
    "robot": Description, "observed": Observed, "actuated": Actuated, "sensor": Sensor,
}  # fmt: skip


def test_fields_of_a_scenario():
    named = [name for row in tables("A scenario")[0] for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(Config.__struct_fields__)
    for row in tables("A scenario")[0]:
        if found := re.search(r"\(([\d.]+)\)$", row[1]):
            (name,) = re.findall(r"`(\w+)`", row[0])
            assert float(found[1]) == getattr(Config(address="udp://h:1"), name)


def test_limits():
    assert f"at most {frames.FRAME_MAX_BYTES} bytes long" in section("The wire, version 1")
    assert f"more than {frames.JUMP_MAX} above it" in section("SENSE")
    assert f"at most {description.BYTES_MAX} bytes" in section("HELLO")
    assert f"1 to {description.OBS_MAX}" in section("HELLO")
    assert f"1 to {description.ACTIONS_MAX}" in section("HELLO")
    assert f"at most {description.SENSORS_MAX};" in section("HELLO")
    assert f"at most {description.PARAMETERS_MAX};" in section("HELLO")
    assert f"at most {frames.TEXT_MAX_BYTES} bytes" in section("ERROR")
    assert f"each {session.AGAIN_NS * 1e-9:g} s" in section("Kinds")
    assert frames.CLOCK_NS_MAX == 2**63 - 1
    assert frames.NONE == 2**64 - 1
