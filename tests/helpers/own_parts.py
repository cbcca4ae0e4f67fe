"""A folder with parts of a user's own, which no package has installed, and scenarios that name them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hilbench import modules
from hilbench.cli import main

LEAVES = """
from pathlib import Path
Path({marker!r}).touch()
"""
"""What a module does when it is imported: a file says so."""

LEARNER = """
from typing import NamedTuple
import numpy as np
from hilbench.coders.values import direct, whole
from hilbench.nal import Network
from hilbench.nal.rules import Rule
from hilbench.types import BuiltController, Controller, Empty


class Constants(NamedTuple):
    rate: float


class Grow(Rule, frozen=True, kw_only=True):
    modulator: None = None
    learning_rate: float = 0.1

    def constants(self, network, part):
        return Constants(self.learning_rate)

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        return c.rate * s, e


class Learner(Controller):
    Config = Empty

    @staticmethod
    def build(config, plant, period_us, seed):
        net = Network(dt_s=0.001)
        net.input("observation", 4, units=plant.obs_units)
        net.lif("cells", 2, tau_s=0.02, r=1.0)
        net.readout("action", 1, tau_s=0.02, units=plant.action_units)
        net.connect("observation", "cells", np.zeros((2, 4)), bias=np.full(2, 20.0))
        net.lif("more", 2, tau_s=0.02, r=1.0)
        net.connect("cells", "more", np.zeros((2, 2)), rule=Grow(), name="grown")
        net.connect("more", "action", np.ones((1, 2)))
        return BuiltController(net, whole(plant, period_us), direct(net.outputs, plant, period_us))
"""
"""A controller with a network whose learning rule is its own."""


@contextmanager
def forgotten() -> Iterator[None]:
    """What the block allows and imports is gone after it."""
    allowed, path, loaded = modules.allowed(), list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        modules._allowed.clear()
        modules._allowed.update(allowed)
        sys.path[:] = path
        for name in set(sys.modules) - loaded:
            if not name.startswith(("hilbench", "numba")):
                own = str(getattr(sys.modules[name], "__file__", "") or "")
                if "/pytest-" in own:
                    del sys.modules[name]


def ended(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def started(kind: str, name: str, folder: Path, marker: Path | None = None) -> Path:
    """The scenario that `hilbench new` writes; importing its module leaves the file `marker`."""
    assert ended("new", kind, name, "--out", folder) == 0
    if marker is not None:
        file = folder / f"{name}.py"
        file.write_text(file.read_text() + LEAVES.format(marker=str(marker)))
    return folder / f"{name}.toml"
