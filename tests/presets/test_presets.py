"""Presets as data: names, kinds, units, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.neurons import PARAMETERS
from hilbench.nal.nir.presets import PRESETS, preset, tau_unit_s

PAGE = Path(__file__).parents[2] / "docs" / "presets.md"


@pytest.mark.parametrize("name", PRESETS)
def test_a_network_takes_all_that_a_preset_says(name):
    p = preset(name)
    dt_s = p.dt_s or 1e-3
    net = Network(dt_s)
    for kind in p.behaviour:
        for looped in (False, True):
            times = {key: 5 * dt_s for key in ("tau_s", "tau_syn_s") if key in PARAMETERS[kind]}
            net.add(f"{kind}-{looped}", kind, 2, **times, **p.of(kind, dt_s, looped))
    assert p.notes
    assert f"| `{name}` |" in PAGE.read_text("utf-8")


def test_a_hold_in_steps_follows_the_step():
    assert preset("snntorch-zero").of("cuba_lif", 1e-4)["refractory_s"] == 1e-4
    assert preset("snntorch-zero").of("lif", 2e-4, looped=True)["refractory_s"] == 2e-4
    assert "refractory_s" not in preset("snntorch-zero").of("lif", 1e-4)


@pytest.mark.parametrize(("name", "factor"), [("norse", 1), ("norse-export", 1000), ("sinabs", 0.001)])
def test_time_constants_in_units_of_a_file(name, factor):
    assert tau_unit_s(preset(name).tau_unit, 1e-3) == factor


def test_what_is_not_there_is_refused_with_what_is():
    with pytest.raises(NetworkError, match=r"preset: found 'sntorch'; allowed: .* did you mean 'snntorch'"):
        preset("sntorch")
    with pytest.raises(NetworkError, match="says nothing of a threshold; allowed: cuba_li, cuba_lif, if, li, lif"):
        preset("norse").of("threshold", 1e-3)


def test_lava_fixed_runs_on_its_own_engine():
    assert preset("lava-fixed").backend == "loihi"
    assert [name for name in PRESETS if preset(name).backend] == ["lava-fixed"]
