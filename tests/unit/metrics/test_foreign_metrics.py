"""Metrics of somebody else's: whatever they answer, raise or write over, the others have their numbers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from made_up import episode, run

from hilbench import metrics, plugins
from hilbench.errors import said
from hilbench.metrics import Measure, measure


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _raises(error: BaseException) -> Callable[[Any], Any]:
    def function(run: Any) -> Any:
        raise error

    return function


def measured(monkeypatch: pytest.MonkeyPatch, function: Callable[[Any], Any], **declared: Any) -> dict[str, Any]:
    """All metrics of a run, and `a_foreign` with them, which is the first to be asked."""
    function = metrics.metric("1", "lower")(function)
    for key, value in declared.items():
        setattr(function, key, value)
    monkeypatch.setattr(sys.modules[__name__], "a_foreign", function, raising=False)
    known = plugins.all_of("metrics")
    plugin = plugins.Plugin("a_foreign", "", __name__, "a_foreign")
    monkeypatch.setattr(plugins, "all_of", lambda kind: {"a_foreign": plugin, **known})
    return measure(run(episode(4, **{"info.error": [3.0, 4.0, 0.0, 1.0]}), phases={"early": (0.0, 0.002)}))


ODD = {
    "a note that is no text": (lambda run: {"": Measure(None, 1, note=ValueError("no column"))}, "note"),
    "too large": (lambda run: {"": Measure(10**400, 1)}, "OverflowError"),
    "a unit that is no text": (lambda run: {"": Measure(1.0, 1, unit=5)}, "unit"),
    "an origin that is none": (lambda run: {"": Measure(1.0, 1, origin="guessed")}, "origin"),
    "an interval of three": (lambda run: {"": Measure(1.0, 1, interval=(1, 2, 3))}, "interval"),
    "a label that is no text": (lambda run: {7: Measure(1.0, 1)}, "label"),
    "no dict": (lambda run: 1.0, "label"),
    "no Measure": (lambda run: {"": 1.0}, "label"),
    "a value that is text": (lambda run: {"": Measure("1", 1)}, "value"),
    "it leaves": (_raises(SystemExit("no such column")), "SystemExit: no such column"),
    "an exception without words": (_raises(Mute()), "Mute: what it says cannot be read"),
    "an exception that paints": (_raises(ValueError("\x1b[31mred\x07")), "ValueError:  [31mred "),
}


@pytest.mark.parametrize("case", ODD)
def test_what_no_measure_can_hold_is_a_note_and_the_other_metrics_stand(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    function, says = ODD[case]
    found = measured(monkeypatch, function)
    assert found["a_foreign"]["value"] is None
    assert says in found["a_foreign"]["note"]
    assert found["error_rms"]["value"] == pytest.approx(6.5**0.5)
    json.dumps(found)


def test_a_direction_that_is_none_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, lambda run: {"": Measure(1.0, 1)}, better="up")
    assert "better" in found["a_foreign"]["note"]


def test_numbers_of_numpy_are_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Measure(np.float32(1.0), np.int64(2), interval=np.array([0.5, 1.5]))
    found = measured(monkeypatch, lambda run: {"": answer})["a_foreign"]
    assert found == {"value": 1.0, "unit": "1", "better": "lower", "n": 2, "interval": [0.5, 1.5]}
    assert json.loads(json.dumps(found)) == found


def _meddle(run: Any) -> Any:
    run.meta.plant_spec.info_units.clear()
    run.episodes[0].pop("info.error")
    run.episodes[0]["skipped"][:] = True
    return {}


def test_a_metric_that_writes_over_the_run_changes_no_other_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    before = measured(monkeypatch, lambda run: {})
    after = measured(monkeypatch, _meddle)
    assert "read-only" in after.pop("a_foreign")["note"]
    assert after == before


def test_said_is_one_line_whatever_the_exception() -> None:
    assert said(Mute()) == "Mute: what it says cannot be read"
    assert said(ValueError("a\n\x1b[2Jb")) == "ValueError: a  [2Jb"
    assert said(KeyError()) == "KeyError"
