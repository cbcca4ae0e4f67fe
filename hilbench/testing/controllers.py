"""What every controller promises, on every plant that it fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import HilbenchError, NetworkError, ScenarioError
from hilbench.nal import Network
from hilbench.nal.model.codec import pack, unpack
from hilbench.record.reader import read_run
from hilbench.runs.build import check_whole
from hilbench.runs.replay import replay
from hilbench.scenario.files import resolve
from hilbench.scenario.resolved import Scenario
from hilbench.testing._parts import Contract, Part, Settings, ensure, refusal, run_whole
from hilbench.types import EVENT, BuiltController, PlantSpec, Probes, Program, Tick, size_of

N_TICKS = 50
_SPECS: dict[tuple[type, str], PlantSpec] = {}


class Fitting(NamedTuple):
    """A plant that the controller fits."""

    name: str
    settings: Settings
    plant_spec: PlantSpec


def spec_of(name: str, settings: Settings) -> PlantSpec:
    """The spec of a plant, which is made once for all the controllers that are tried on it.

    Parameters
    ----------
    name : str
        The plug-in's.
    settings : mapping
        Its settings.
    """
    cls = plugins.get("envs", name)
    key = (cls, repr(settings))
    if key not in _SPECS:
        plant = cls(**settings)
        try:
            _SPECS[key] = plant.plant_spec
        finally:
            plant.close()
    return _SPECS[key]


def _can_be_made(name: str) -> bool:
    try:
        spec_of(name, {})
    except HilbenchError:
        return False
    return True


def replies(kind: str, program: Program, period_us: int) -> list[tuple[bytes, bytes]]:
    """What a backend answers to some random ticks.

    Parameters
    ----------
    kind : str
        The backend.
    program : Program
    period_us : int
        The control period, in microseconds.
    """
    cls = plugins.get("backends", kind)
    backend = cls(cls.Config())
    backend.load(program, period_us, Probes())
    backend.reset(1, "none")
    random = np.random.default_rng(0)
    n_in, n_errors = size_of(program.inputs, "values"), size_of(program.modulators, "values")
    n_addresses, found = size_of(program.inputs, "events"), []
    for k in range(20):
        values, errors = (random.normal(0, 0.3, n).astype(np.float32) for n in (n_in, n_errors))
        events = np.zeros(random.integers(0, 9) if n_addresses else 0, EVENT)
        events["t_us"] = np.sort(random.integers(0, period_us, events.size))
        events["address"] = random.integers(0, max(1, n_addresses), events.size)
        reply = backend.step(Tick(k, events=events, values=values, modulators=errors))
        found.append((reply.values.tobytes(), reply.events.tobytes()))
    return found


class ControllerContract(Contract):
    """What every controller promises.

    `plants` are those to try it on, as (name, settings), of which `sensors` are a scenario's tables: when empty, every
    plant that can be made without settings.
    `period_s` is the control period. `backend` runs its programs where the controller names none.
    """

    kind = "controllers"
    plants: ClassVar[Sequence[tuple[str, Settings]]] = ()
    period_s: ClassVar[float] = 0.01
    backend: ClassVar[str] = "numba"

    def _build(self, part: Part, plant_spec: PlantSpec, seed: int = 3) -> BuiltController:
        return part.cls.build(part.config, plant_spec, round(self.period_s * 1e6), seed)

    def _tried(self) -> Sequence[tuple[str, Settings]]:
        return self.plants or [(name, {}) for name in sorted(plugins.all_of("envs")) if _can_be_made(name)]

    @pytest.fixture
    def fitting(self, part: Part) -> list[Fitting]:
        """The plants that it fits. Any other it refuses in one line."""
        return self._once("fitting", part, lambda: self._fitting(part))

    def _fitting(self, part: Part) -> list[Fitting]:
        found = []
        for name, settings in self._tried():
            plant_spec, where = spec_of(name, settings), f"plant {name!r}"
            if refusal(where, self._build, part, plant_spec, errors=(ScenarioError, NetworkError)) is None:
                found.append(Fitting(name, settings, plant_spec))
        ensure(found, f"a controller fits a plant of `plants`: found none among {[name for name, _ in self._tried()]}")
        return found

    def _scenario(self, part: Part, name: str, plant: Fitting) -> Scenario:
        settings = dict(plant.settings)
        raw: dict[str, Any] = {
            "name": "contract", "summary": "Fifty ticks.", "controller": "tested",
            "sensors": settings.pop("sensors", {}), "plant": {"kind": plant.name, **settings},
            "loop": {"period_s": self.period_s, "duration_s": N_TICKS * self.period_s},
            "backend": {"kind": self.backend},
            "controllers": {"tested": {"kind": name, **part.settings}},
        }  # fmt: skip
        return resolve(raw, "contract", trust=True)  # whoever tests a part trusts it

    def test_it_fits_some_plant_and_refuses_others_in_one_line(self, fitting):
        """The fixture holds it to that."""
        ensure(fitting, "a controller fits a plant: found none")

    def test_it_keeps_what_each_run_checks_before_it_starts(self, part, fitting):
        """Sizes of coders and ports, finite values and actions, a program that a backend takes."""
        for plant in fitting:
            with part.found() as name:
                scenario = self._scenario(part, name, plant)
                said = refusal(f"plant {plant.name!r}", check_whole, scenario, errors=ScenarioError)
            ensure(said is None, f"what `build` gives fits the plant: {said}")

    def test_a_seed_decides_its_program(self, part, fitting):
        for plant in fitting:
            one, two = (pack(self._build(part, plant.plant_spec).program) for _ in range(2))
            line = f"build gives the same program for the same seed: plant {plant.name!r} gets another one"
            ensure(one == two, line)

    def test_units_of_a_port_are_one_for_each_value(self, part, fitting):
        for plant in fitting:
            program = self._build(part, plant.plant_spec).program
            for port in (*program.inputs, *program.outputs, *program.modulators):
                found = len(port.units)
                ensure(found in (0, port.size), f"port {port.name!r} has a unit for each of {port.size}: found {found}")

    def test_its_program_crosses_the_wire_unchanged(self, part, fitting):
        kind, period_us = part.cls.backend or self.backend, round(self.period_s * 1e6)
        for plant in fitting:
            program = self._build(part, plant.plant_spec).program
            backend = kind if isinstance(program, Network) or part.cls.backend else "law"
            here, there = (replies(backend, each, period_us) for each in (program, unpack(pack(program))))
            ensure(here == there, f"a program answers on a device as it does here: plant {plant.name!r}")

    def test_fifty_ticks_give_finite_actions_and_replay_bit_for_bit(self, part, fitting, tmp_path: Path):
        for plant in fitting:
            folder = tmp_path / plant.name
            with part.found() as name:
                run_whole(self._scenario(part, name, plant), folder / "run", f"of plant {plant.name!r}")
                equal, _ = replay(folder / "run", folder / "replay", trust=True)
            ensure(equal, f"a run of plant {plant.name!r} replays bit for bit: found other states")
            for episode in read_run(folder / "run").episodes:
                n_wrong = int(episode["not_finite"].sum())
                ensure(not n_wrong, f"every action is finite: found {n_wrong} that are not, of plant {plant.name!r}")
                live = ~(episode["terminated"] | episode["truncated"])
                ensure(episode["answered"][live].all(), f"every tick is answered: not so with plant {plant.name!r}")
