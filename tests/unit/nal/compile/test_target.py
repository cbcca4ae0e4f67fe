"""Every target file: what it says is in range and has a source; what it must not say is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import Struct

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal.compile import target as targeting
from hilbench.nal.compile.target import Constant, Energy, Limits, Seconds, Span, load_target, read_target, targets
from hilbench.nal.model.neurons import CHOICES, KINDS


def sourced(struct):
    """Every constant and limit in a target, however deep."""
    for field in struct.__struct_fields__:
        value = getattr(struct, field)
        if isinstance(value, Struct):
            yield value
            yield from sourced(value)


@pytest.mark.parametrize("name", targets())
def test_everything_has_a_source_and_constants_have_a_range(name):
    target = load_target(name)
    found = [each for each in (target, *sourced(target)) if not isinstance(each, Limits | Energy)]
    assert len(found) > 3
    for each in found:
        assert len(each.source) > 20
        assert "\n" not in each.source
        if isinstance(each, Constant):
            assert 0 < each.low <= each.value <= each.high
        if isinstance(each, Span | Seconds):
            assert each.low <= each.high


@pytest.mark.parametrize("name", targets())
def test_what_a_target_chooses_from_is_what_a_network_can_say(name):
    limits = load_target(name).limits
    known = {"kinds": KINDS, "resets": CHOICES["reset"], "spikes": CHOICES["spikes"]}
    known["rules"] = {plugin.load().__name__ for plugin in plugins.all_of("rules").values()}
    known["behaviours"] = ("v_floor", "threshold_noise", "adaptation")
    for field, allowed in known.items():
        choice = getattr(limits, field)
        assert choice is None or set(choice.values) <= set(allowed)
    assert set(load_target(name).approximates) <= {*KINDS, "weights"}


def test_the_targets_are_those_of_the_documentation():
    page = (Path(__file__).parents[4] / "docs" / "targets.md").read_text("utf-8")
    listed, _ = page.split("## What the words mean")
    assert sorted(re.findall(r"^\| `([a-z0-9]+)` \|", listed, re.M)) == targets()
    for name in {*Limits.__struct_fields__, "neurons_per_core"} - {"event_inputs", "event_outputs"}:
        assert name in page or name in ("weights", "threshold_bits", "decay", "populations_per_core"), name
    assert targets() == ["cortexm4", "crossbar", "loihi1", "loihi2", "spinnaker1", "spinnaker2", "truenorth", "xylo"]
    loihi1 = load_target("loihi1")
    assert loihi1.neurons_per_core * loihi1.cores_per_chip == 131_072
    assert load_target("loihi2").energy == Energy()  # nothing is public


MISTAKES = [
    ("value = 23.6e-12", "value = 99e-12", "in rising order"),
    ("value = 23.6e-12\n", "", "value"),
    ("neurons_per_core = 1024", "neurons_per_core = 0", "neurons_per_core"),
    ("neurons_per_core", "neurons_a_core", "neurons_a_core"),
    ("low = 51.2e-12", "low = -1.0", "low"),
    ("[energy.", "[energy", "unknown field"),
    ("[energy.", "energy.", "at line 8"),
]


@pytest.mark.parametrize(("before", "after", "says"), MISTAKES)
def test_a_mistake_in_a_file_is_one_line(before, after, says, tmp_path):
    text = (targeting.FOLDER / "loihi1.toml").read_text("utf-8")
    assert before in text
    path = tmp_path / "chip.toml"
    path.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(NetworkError, match=says) as raised:
        read_target(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_an_unknown_target_names_the_nearest():
    with pytest.raises(NetworkError, match="did you mean 'loihi1'"):
        load_target("lohi1")
