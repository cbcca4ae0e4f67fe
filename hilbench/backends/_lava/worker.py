"""The process that Lava runs in: builds a plan, then runs steps, reads and writes states, until its pipe closes.

    python -m hilbench.backends._lava.worker DESCRIPTOR

Lava may hang for ever, and leaves its processes behind when it is killed. So it never runs in the process of a device:
this one has a session of its own, which `Host` ends as a whole, and its children end with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.backends._lava.plan import LINES, Bundle, Group, Plan

PR_SET_PDEATHSIG = 1
"""Linux: see prctl(2)."""
LINE_BITS = 8
"""Graded: an event line may bring several events in a step."""


class Machine:
    """A plan in Lava, paused between calls."""

    def __init__(self, plan: Plan) -> None:
        from lava.magma.core.run_conditions import RunSteps

        self._plan, self._run_steps = plan, RunSteps
        self._lifs = [self._lif(group) for group in plan.groups]
        self._denses = [self._dense(bundle) for bundle in plan.bundles]
        self._lines: Any = self._injector(plan.n_lines) if plan.n_lines else None
        self._drives = [self._injector(g.bias.size) if g.driven else None for g in plan.groups]
        self._states = [self._extractor(2 * g.bias.size) for g in plan.groups]
        self._wire()
        self._lifs[0].create_runtime(run_cfg=self._run_config())

    def _wire(self) -> None:
        for bundle, dense in zip(self._plan.bundles, self._denses, strict=True):
            source = self._lines.out_port if bundle.source == LINES else self._lifs[bundle.source].s_out
            source.connect(dense.s_in)
            dense.a_out.connect(self._lifs[bundle.target].a_in)
        for lif, drive, states in zip(self._lifs, self._drives, self._states, strict=True):
            lif.state_out.connect(states.in_port)
            if drive is not None:
                drive.out_port.connect(lif.drive_in)

    def run(self, lines: NDArray, drive: NDArray) -> tuple[NDArray, NDArray]:
        """Run network steps. Returns spikes and v after each step, (n_steps, n) each.

        Parameters
        ----------
        lines : (n_steps, n_lines) float64
            How many events each event line has in each step.
        drive : (n,) float64
            What the host adds to each neuron's input, in each step.
        """
        n_steps, start = len(lines), 0
        for group, injector in zip(self._plan.groups, self._drives, strict=True):
            end = start + group.bias.size
            if injector is not None:
                for _ in range(n_steps):
                    injector.send(drive[start:end])
            start = end
        for row in lines if self._lines is not None else ():
            self._lines.send(row)
        self._lifs[0].run(condition=self._run_steps(num_steps=n_steps))
        frames = [[extractor.receive().copy() for _ in range(n_steps)] for extractor in self._states]
        halves = [np.split(np.array(each), 2, axis=1) for each in frames]
        spikes, v = (np.concatenate(half, axis=1) for half in zip(*halves, strict=True))
        return spikes, v

    def read(self) -> dict[str, NDArray]:
        """Copies of all that changes, by name."""
        return {name: np.array(variable.get(), float) for name, variable in self._variables()}

    def write(self, arrays: dict[str, NDArray]) -> None:
        """Set what `read` gave. Lava sends number by number, so what is right already is left alone."""
        for name, variable in self._variables():
            if not np.array_equal(variable.get(), arrays[name]):
                variable.set(arrays[name])

    def stop(self) -> None:
        """Release what Lava holds. It is paused, so nothing waits for a frame."""
        self._lifs[0].stop()

    def _variables(self) -> Any:
        for i, lif in enumerate(self._lifs):
            yield from ((f"lava/u{i}", lif.u), (f"lava/v{i}", lif.v), (f"lava/held{i}", lif.held))
        for i, dense in enumerate(self._denses):
            yield f"lava/arriving{i}", dense.a_buff

    def _lif(self, group: Group) -> Any:
        from hilbench.backends._lava.models.processes import HostedLIF
        from hilbench.nal.loihi.quantise import registers

        bias = registers(group.bias) if self._plan.fixed else (group.bias, 0)
        return HostedLIF(
            shape=group.bias.shape, du=group.du, dv=group.dv, vth=group.vth,
            refractory_steps=group.refractory_steps, v=group.v_initial,
            bias_mant=bias[0], bias_exp=bias[1],
        )  # fmt: skip

    def _dense(self, bundle: Bundle) -> Any:
        from lava.proc.dense.process import DelayDense, Dense
        from lava.proc.sparse.process import Sparse
        from lava.utils.weightutils import SignMode

        settings: dict[str, Any] = {"num_message_bits": LINE_BITS if bundle.source == LINES else 0}
        if self._plan.fixed:
            settings |= {"weight_exp": bundle.exponent, "sign_mode": SignMode[bundle.sign.upper()]}
        if bundle.sparse:
            return Sparse(weights=bundle.weights.tocsr(), **settings)
        if bundle.delayed:
            return DelayDense(weights=bundle.weights.toarray(), delays=bundle.delays.toarray(), **settings)
        return Dense(weights=bundle.weights.toarray(), **settings)

    def _injector(self, size: int) -> Any:
        from lava.proc.io.injector import Injector

        return Injector(shape=(size,), buffer_size=self._plan.n_steps)

    def _extractor(self, size: int) -> Any:
        from lava.proc.io.extractor import Extractor

        return Extractor(shape=(size,), buffer_size=self._plan.n_steps)

    def _run_config(self) -> Any:
        """Which model each process runs as; injector and extractor have no tag to be found by."""
        from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
        from lava.proc.io.extractor import Extractor, PyLoihiExtractorModel
        from lava.proc.io.injector import Injector, PyLoihiInjectorModel

        from hilbench.backends._lava.models import processes

        fixed = self._plan.fixed
        chosen = {
            Injector: processes.PyIntegerInjector if fixed else PyLoihiInjectorModel,
            Extractor: PyLoihiExtractorModel,
        }
        kind = Loihi2HwCfg if self._plan.hardware == "loihi2" else Loihi2SimCfg
        return kind(select_tag="fixed_pt" if fixed else "floating_pt", exception_proc_model_map=chosen)


def end_with_parent() -> None:
    """Have this process killed when its parent ends; nothing where the system has no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(descriptor: int) -> None:
    """Answer calls until the other end closes. An answer is whether it went well, and what came of it."""
    os.register_at_fork(after_in_child=end_with_parent)
    with Connection(descriptor) as calls:
        machine: Any = None
        while True:
            try:
                name, *arguments = calls.recv()
            except EOFError:
                break
            try:
                if name == "build":
                    machine, answer = Machine(*arguments), None
                else:
                    answer = getattr(machine, name)(*arguments)
                calls.send((True, answer))
            except Exception as error:  # whatever Lava raises: a process that ended here would wait for its children
                calls.send((False, f"{type(error).__name__}: {error}"))
        if machine is not None:
            machine.stop()


if __name__ == "__main__":
    end_with_parent()
    main(int(sys.argv[1]))
