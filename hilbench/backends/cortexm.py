"""Firmware on a Cortex-M4: backend `loihi` in C, on a board at a serial line or under QEMU, bit for bit the same.

Readouts that learn by PES are computed beside the integers, in single precision.
"""

from __future__ import annotations

import tempfile
import weakref
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from hilbench import plugins
from hilbench.backends._network import all_or_nothing, check_folded, probe_ticks, runnable
from hilbench.backends.loihi import LoihiConfig, weights_record
from hilbench.errors import LinkError, NetworkError
from hilbench.nal.compile.fold import exact_parts, folded_for
from hilbench.nal.compile.zeros import check_zeros
from hilbench.nal.loihi import IntegerNetwork
from hilbench.nal.model.network import Network
from hilbench.types import NO_VALUES, Backend, Carry, Link, LoadReport, Probes, Program, Reply, Tick

BOARDS = "qemu, serial:///dev/ttyACM0?baud=115200, stream://HOST:PORT, stream:///PATH"
CATCH_UP_MAX = 10_000
"""Periods that docs/protocol.md lets a device run through at once."""


class CortexmConfig(LoihiConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the firmware runs, and how a network of real numbers is brought onto integers."""

    board: Annotated[str, Meta(pattern=r"^(qemu$|stream://.+|serial://.+)", description=BOARDS)] = "qemu"
    """`qemu` builds a firmware and emulates it; serial:///dev/ttyACM0?baud=115200 is a board that already runs the one
    that `hilbench build cortexm` made of this network."""
    machine: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")] = "mps2-an386"
    """QEMU's name of the board."""
    icount_shift: Annotated[int, Meta(ge=0, le=10)] = 8
    """Under QEMU an instruction takes 2 to this nanoseconds."""
    timeout_s: Annotated[float, Meta(gt=0, le=1e6)] = 5.0
    """How long the board may take to answer."""


class Cortexm(Backend):
    """Integer networks as firmware of a Cortex-M4: the bits of backend `loihi`, and PES, on a board or under QEMU.

    The time that its replies tell is the board's; under QEMU that is a count of instructions.
    """

    Config = CortexmConfig
    own_time = True
    instructions = -1
    """What the last tick took under QEMU, periods caught up included; -1 on a board, which does not count them."""

    _close: weakref.finalize
    """Closes the link, and ends QEMU; absent before the first `load`."""

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        from hilbench.firmware import parts

        program = runnable(program, period_us, probes, "cortexm")
        self._weight_ticks = probe_ticks(probes, period_us)
        folded = folded_for(program, "cortexm")
        check_folded(folded.network, probes)
        made = parts(folded, self.config.weight_bits, self.config.largest_value)
        warnings = check_zeros(made.zeros, made.inputless, self.config.zeros_max)
        net, approximated = made.integers, made.approximated
        _check_weights(net, probes)
        self._record = weights_record(net, probes)
        if hasattr(self, "_close") and self.config.board != "qemu":
            self._close()  # a serial line is opened once
        with ExitStack() as opened:
            link = self._open(opened, program, period_us, probes)
            link.load(program, period_us, Probes(spikes=probes.spikes))
            close = opened.pop_all().close
        if hasattr(self, "_close"):
            self._close()
        self._link, self._close = link, weakref.finalize(self, close)
        self.reset(0, "none")
        exact = exact_parts(program, folded.network, approximated)
        ns = self._instruction_ns()
        counted = (f"time: the board's is instructions x {ns} ns, as QEMU counts them; it says nothing about cycles",)
        found = (*approximated, *(counted if ns else ()))
        n_values = self._record.size
        return LoadReport("cortexm", exact, found, n_probe_values=n_values, instruction_ns=ns, warnings=warnings)

    def reset(self, seed: int, carry: Carry) -> None:
        self._link.reset(seed, carry, CATCH_UP_MAX)
        self._seq = self._ticks = self._behind = 0

    def step(self, tick: Tick) -> Reply:
        seq, self._seq = self._seq, self._seq + 1
        self._link.send(Tick(seq, tick.t_ns, tick.learning, tick.events, tick.values, tick.modulators))
        reply = self._answer(seq)
        self._behind = 0
        if ns := self._instruction_ns():
            self.instructions = round(reply.compute_ns / ns)
        reply.probe_values = NO_VALUES if self._ticks % self._weight_ticks else self._record.copy()
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        """The firmware runs these periods before its next tick, of whose `seq` it sees the gap."""
        if self._behind + n_periods > CATCH_UP_MAX:
            found = self._behind + n_periods
            raise NetworkError(f"backend 'cortexm': {found} periods without a tick; allowed: {CATCH_UP_MAX}")
        self._behind += n_periods
        self._seq += n_periods
        self._ticks += n_periods

    def _instruction_ns(self) -> int | None:
        """What QEMU puts an instruction at; None on a board, which has time."""
        return 1 << self.config.icount_shift if self.config.board == "qemu" else None

    def _open(self, opened: ExitStack, program: Network, period_us: int, probes: Probes) -> Link:
        """The link to a board, or to one that is emulated; `opened` closes what this starts."""
        address = self.config.board
        if address == "qemu":
            address = self._emulate(opened, program, period_us, probes)
        elif probes.spikes:
            text = "found populations; allowed on a board: none, its firmware was built without"
            raise NetworkError(f"record.spikes: {text}")
        stream = plugins.get("links", "stream")
        link = stream(stream.Config(address=address, timeout_s=self.config.timeout_s), "cortexm", {})
        opened.callback(link.close)
        return link

    def _emulate(self, opened: ExitStack, program: Network, period_us: int, probes: Probes) -> str:
        from hilbench.firmware import ELF, build, tool
        from hilbench.firmware.qemu import QEMU, emulated

        tool(QEMU)
        c = self.config
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hilbench-")))
        settings = {"probes": probes, "weight_bits": c.weight_bits, "largest_value": c.largest_value}
        built = folder / "firmware"
        build(program, period_us, built, **settings)
        return opened.enter_context(emulated(built / ELF, folder, c.machine, c.icount_shift, c.timeout_s))

    def _answer(self, seq: int) -> Reply:
        """The reply to this tick; a late one to an earlier tick is passed over."""
        while (reply := self._link.receive(int(self.config.timeout_s * 1e9))) is not None:
            if reply.seq == seq:
                return reply
        raise LinkError(f"the board at {self._link} did not answer within {self.config.timeout_s:g} s")


def _check_weights(net: IntegerNetwork, probes: Probes) -> None:
    """Raise NetworkError for weights onto a readout that learns: the board does not tell them."""
    known = (*net.projections, *(p.name for p in net.value_inputs))
    for field in ("weights", "weight_norms"):
        if unknown := [name for name in getattr(probes, field) if name not in known]:
            text = f"found {unknown[0]!r}, onto a readout that learns, whose weights the board does not tell"
            raise NetworkError(f"record.{field}: {text}; allowed: {', '.join(known)}, or none (--record.{field} [])")
