"""Every target file: what it says is in range and has a source; what it must not say is one line."""

from __future__ import annotations

import pytest

from hilbench.errors import NetworkError
from hilbench.nal import target as targeting
from hilbench.nal.target import load_target, read_target, targets


@pytest.mark.parametrize("name", targets())
def test_every_constant_has_a_range_and_a_source(name):
    target = load_target(name)
    assert len(target.source) > 20
    for field in target.energy.__struct_fields__:
        constant = getattr(target.energy, field)
        assert 0 < constant.low <= constant.value <= constant.high
        assert len(constant.source) > 20
        assert "\n" not in constant.source


def test_there_are_targets():
    assert "loihi1" in targets()
    loihi1 = load_target("loihi1")
    assert loihi1.neurons_per_core * loihi1.cores_per_chip == 131_072


MISTAKES = [
    ("value = 23.6e-12", "value = 99e-12", "in rising order"),
    ("value = 23.6e-12\n", "", "value"),
    ("neurons_per_core = 1024", "neurons_per_core = 0", "neurons_per_core"),
    ("neurons_per_core", "neurons_a_core", "neurons_a_core"),
    ("low = 52e-12", "low = -1.0", "low"),
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
