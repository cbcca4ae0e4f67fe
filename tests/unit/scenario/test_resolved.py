"""A resolved scenario can be dumped, and what was dumped is the same scenario."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hilbench.scenario import files as scenarios
from hilbench.scenario.files import load, resolve
from hilbench.scenario.resolved import dump

SHIPPED = sorted(scenarios.names())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_scenario_resolves_to_itself(name):
    for controller in load(name).controllers:
        found = load(name, controller=controller)
        assert resolve(dump(found), found.where) == replace(found, tuned=None), "tuned values stand in the controllers"
