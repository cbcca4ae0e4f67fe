"""Networks in Intel's Lava 0.10: its LIF, Dense and Sparse, as real numbers or as the chip's integers, bit for bit."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.backends._lava.forms import Form, fixed_form, float_form
from hilbench.backends._lava.given import Given
from hilbench.backends._lava.host import Host
from hilbench.backends._lava.plan import plan
from hilbench.backends._network import (
    all_or_nothing,
    check_folded,
    check_snapshot,
    n_probe_values,
    probe_ticks,
    runnable,
)
from hilbench.compiled.cache import kernels
from hilbench.errors import NetworkError
from hilbench.nal.compile.fold import exact_parts, folded_for
from hilbench.nal.compile.host_part import beside_chip, chip_part
from hilbench.nal.compile.zeros import ZEROS_MAX
from hilbench.nal.loihi import equations, lower
from hilbench.nal.loihi.quantise import from_network
from hilbench.nal.model.network import Network
from hilbench.types import NO_EVENTS, Backend, Carry, LoadReport, Probes, Program, Reply, Tick, size_of

Seconds = Annotated[float, Meta(gt=0, le=1e4)]


class LavaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What Lava computes with, and how long it may take."""

    tag: Literal["float", "fixed"] = "fixed"
    """Real numbers, or the chip's integers as backend `loihi` has them."""
    hardware: Literal["sim", "loihi2"] = "sim"
    """Lava's simulation, or the chip, with Intel's extension of Lava."""
    step_timeout_s: Seconds = 5.0
    """How long a tick may take, or the reading of a state; then Lava has hung, and is ended."""
    start_timeout_s: Seconds = 50.0
    """How long Lava may take to build a network."""
    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8
    """Bits of a weight with the tag `fixed`; a projection with both signs spends one on the sign."""
    largest_value: Annotated[float, Meta(gt=0)] = 1.0
    """The largest input value that the scaling leaves room for; beyond it a bias may stop at the end of its range."""
    zeros_max: Annotated[float, Meta(ge=0, le=1)] = ZEROS_MAX
    """With the tag `fixed`, the share of a projection's weights that may become 0; what loses more is refused."""


class Lava(Backend):
    """Lava's own processes, in a Python of their own. Readouts with PES are computed beside it."""

    Config = LavaConfig
    environment: ClassVar[str | None] = "lava"

    def __init__(self, config: LavaConfig) -> None:
        """Raises NetworkError in a Python without Lava, before a device waits for a plant in vain."""
        super().__init__(config)
        _check_lava(config.hardware)

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        program = runnable(program, period_us, probes, "lava")
        self._steps = period_us // program.dt_us
        probe_ticks(probes, period_us)
        folded, early = folded_for(program, "lava")
        check_folded(folded, probes)
        host = beside_chip(folded, "lava", all_readouts=self.config.tag == "float")
        self._form = form = self._form_of(chip_part(folded, host))
        self._plan = plan(
            form.parts, form.wires, size_of(program.inputs, "events"), self._steps,
            self.config.tag == "fixed", self.config.hardware,
        )  # fmt: skip
        self._dt_us, self._seed = program.dt_us, 0
        self._values = np.zeros(size_of(program.inputs, "values"))
        self._zero, self._volts = (self._side_by_side(k) for k in (0, 1))
        self._given = Given(folded, period_us, probes, self._plan.at, form.weights, form.counted)
        self._machine = Host()
        self._call("build", self._plan, timeout_s=self.config.start_timeout_s)
        self._run(NO_EVENTS, self._steps)
        self._fresh = self._first_states()
        self.reset(0, "none")
        lines = (*early, *form.lines, *(f"{name}: computed by the host, as the reference does" for name in host))
        exact = exact_parts(program, folded, lines)
        n_values = n_probe_values(folded, probes)
        return LoadReport("lava", exact, lines, n_probe_values=n_values, warnings=form.warnings)

    def reset(self, seed: int, carry: Carry) -> None:
        if carry != "all":
            self._call("write", self._fresh)
        self._values[:] = 0
        self._given.reset(seed, carry)

    def step(self, tick: Tick) -> Reply:
        if self._values.size:
            self._values[:] = np.where(np.isfinite(tick.values), tick.values, 0)
        return self._given.run(tick, *self._run(tick.events, self._steps))

    def advance(self, n_periods: int) -> None:
        for _ in range(n_periods):
            self._given.pass_by(1, *self._run(NO_EVENTS, self._steps))

    def snapshot(self) -> dict[str, NDArray]:
        return self._given.snapshot() | self._call("read") | {"lava/values": self._values.copy()}

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        mine = self._fresh | {"lava/values": self._values}
        check_snapshot(arrays, mine, carry)
        self._given.restore(arrays, carry)
        if carry == "all":
            self._call("write", {name: np.asarray(arrays[name]) for name in self._fresh})
            self._values[:] = arrays["lava/values"]

    def _form_of(self, chip: Network) -> Form:
        if self.config.tag == "float":
            return float_form(chip)
        compiled = kernels("hilbench.backends._loihi.kernels", Path(equations.__file__), Path(lower.__file__))
        on_chip = self.config.hardware == "loihi2"
        made = from_network(chip, self.config.weight_bits, self.config.largest_value)
        return fixed_form(chip, made, self.config.zeros_max, on_chip, compiled.hold)

    def _run(self, events: NDArray, n_steps: int) -> tuple[NDArray, NDArray]:
        """Run Lava: spikes, and v in the network's unit, after each step."""
        lines = np.zeros((n_steps, max(1, self._plan.n_lines)))
        if self._plan.n_lines:
            np.add.at(lines, (events["t_us"] // self._dt_us, events["address"]), 1)
        drive = np.zeros(self._zero.size)
        for name, more in self._form.drive(self._values).items():
            drive[self._plan.at[name]] = more
        spikes, v = self._call("run", lines, drive)
        return spikes, self._zero + self._volts * v

    def _first_states(self) -> dict[str, NDArray]:
        """What Lava starts from: at rest, but for v."""
        starts = {f"lava/v{i}": group.v_initial for i, group in enumerate(self._plan.groups)}
        found = {name: np.zeros_like(array) for name, array in self._call("read").items()}
        return found | {name: v.astype(float) for name, v in starts.items()}

    def _side_by_side(self, k: int) -> NDArray:
        """The zero (0) or the volts (1) of all neurons in Lava."""
        found = np.zeros(sum(place.stop - place.start for place in self._plan.at.values()))
        for name, place in self._plan.at.items():
            found[place] = self._form.volts[name][k]
        return found

    def _call(self, name: str, *arguments: object, timeout_s: float | None = None) -> Any:
        return self._machine.call(name, *arguments, timeout_s=timeout_s or self.config.step_timeout_s)


def installed() -> bool:
    """Whether this Python has Lava."""
    return importlib.util.find_spec("lava") is not None and importlib.util.find_spec("lava.magma") is not None


def _check_lava(hardware: str) -> None:
    """Raise NetworkError when this Python has no Lava, or not what reaches the chip."""
    if not installed():
        raise NetworkError(
            "backend 'lava' needs Lava in a Python 3.10 of its own: run `hilbench device install lava`, "
            "then use the zmq link (--link.kind zmq), or serve it with that environment's bin/hilbench; "
            "allowed here: backend 'loihi', which computes the same integers"
        )
    if hardware == "loihi2" and importlib.util.find_spec("lava.magma.core.model.nc") is None:
        raise NetworkError(
            "hardware: found 'loihi2', but Intel's extension of Lava is not installed here; allowed: 'sim', or install "
            "lava-loihi, which members of Intel's INRC get from Intel"
        )
