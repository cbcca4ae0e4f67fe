"""Columns are what their list says: in a real stream, and on the page that describes them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

import hilbench
from hilbench.record.column_list import COLUMNS, column_of
from hilbench.record.meta import RECORD

PAGE = (Path(__file__).parents[3] / "docs" / "record.md").read_text("utf-8")


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> pa.Schema:
    folder = tmp_path_factory.mktemp("runs") / "run"
    overrides = {"loop.duration_s": 0.02, "loop.period_s": 0.01}
    assert hilbench.run("arm_payload", folder, overrides=overrides, controller="pes").status == "done"
    with pa.ipc.open_stream((folder / "episode_0000.arrow").read_bytes()) as stream:
        return stream.schema


def test_a_stream_has_the_columns_of_the_list_in_its_order(schema: pa.Schema) -> None:
    """The arm has four infos, and PES has every kind of column."""
    assert list(dict.fromkeys(column_of(name).name for name in schema.names)) == [column.name for column in COLUMNS]
    for field in schema:
        column = column_of(field.name)
        assert re.sub(r"\[\d+\]$", "[N]", str(field.type).replace("item: ", "")) == column.arrow
        assert (field.metadata or {}).get(b"unit", b"").decode() == column.unit
    assert schema.metadata == {b"format_version": str(RECORD.version).encode()}


def test_names_say_their_unit() -> None:
    units = {"_us": "us", "_ns": "ns", "_j": "J"}
    for column in COLUMNS:
        ending = column.name[column.name.rfind("_") :] if "_" in column.name else ""
        assert column.unit == units.get(ending, "")
        assert 5 <= column.since <= RECORD.version


def test_the_page_has_a_row_for_each_column() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.partition("\n## Columns\n")[2].partition("\n## ")[0], re.M))
    said = {column.name: f"{column.arrow} | {column.unit or '—'} | {column.meaning}" for column in COLUMNS}
    assert rows == said
