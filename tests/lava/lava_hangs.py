"""Backend `lava` with a ProcessModel that hangs, in Lava's environment: prints the error, and what was left behind.

`python lava_hangs.py` is the test; with a descriptor it is the worker that the test has the backend start.
"""

from __future__ import annotations

import select
import signal
import sys
from pathlib import Path

GOOD_STEPS = 3


def as_worker(descriptor: int) -> None:
    """Lava's worker, with a LIF that stops after a few steps and never says so."""
    from hilbench.backends._lava import worker
    from hilbench.backends._lava.models import processes

    run_spk = processes.PyHostedLifFixed.run_spk

    def hang(self):
        if self.time_step > GOOD_STEPS:
            signal.pause()
        run_spk(self)

    processes.PyHostedLifFixed.run_spk = hang
    worker.main(descriptor)


def session(leader: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def main() -> None:
    from os import pidfd_open

    from hilbench.backends._lava import host
    from hilbench.backends.lava import Lava, LavaConfig
    from hilbench.errors import NetworkError
    from hilbench.nal import Network
    from hilbench.types import Probes, Tick

    host.WORKER = "lava_hangs"
    net = Network(0.001)
    net.input("e", 2, kind="events")
    net.lif("a", 2, tau_s=0.01, reset="zero", output=True)
    net.connect("e", "a", [[1, 0], [0, 1]], delay_steps=1)
    backend = Lava(LavaConfig(step_timeout_s=4.0))
    backend.load(net, 1000, Probes())
    leader = backend._machine._worker.pid
    running = {pid: pidfd_open(pid) for pid in session(leader)}
    try:
        for k in range(10):
            backend.step(Tick(k))
    except NetworkError as error:
        print(k, error)
    for descriptor in running.values():
        select.select((descriptor,), (), (), 10)
    print(len(running) > 5, session(leader))
    try:
        backend.step(Tick(k))
    except NetworkError as error:
        print(error)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        as_worker(int(sys.argv[1]))
    else:
        main()
