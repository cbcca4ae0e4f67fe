"""The backend that links are tested with, as one that can hang; a relay in a thread; and an echo of the link.

Run as a script it is a device process: `python bridge_fakes.py --backend fake --bind ... --config '{...}'`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys

import msgspec

from hilbench.bridge.device.server import serve
from hilbench.bridge.impair.relay import impair_link
from hilbench.testing.devices import (
    PERIOD_US,
    PROBES,
    PROGRAM,
    ShowingBackend,
    ShowingConfig,
    echo,
    fields,
    in_thread,
    no_leaks,
    plug_in,
    serving,
    ticks,
)
from hilbench.types import EVENT

__all__ = [
    "EVENT", "PERIOD_US", "PROBES", "PROGRAM", "FakeBackend", "echo", "fields", "impairing", "no_leaks", "plug_in",
    "serving", "ticks",
]  # fmt: skip


class FakeBackend(ShowingBackend):
    """A ShowingBackend that can hang."""

    class Config(ShowingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        hang: str = ""
        """What never ends, `python` between two instructions and `compiled` within one, and where: `load.python`."""

    def load(self, program, period_us, probes):
        self._hang("load")
        return super().load(program, period_us, probes)

    def step(self, tick):
        self._hang("step")
        return super().step(tick)

    def _hang(self, where):
        while self.config.hang == f"{where}.python":
            pass
        if self.config.hang == f"{where}.compiled":
            sum(itertools.repeat(0))  # in C, without a look at signals or other threads


def impairing(device, impairment, listen="tcp://127.0.0.1:*", **options):
    """A relay in a thread; gives its endpoint and a list that holds its tally once the block has been left."""
    return in_thread(lambda **ends: impair_link(listen, device, impairment, **ends, **options))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend")
    parser.add_argument("--bind")
    parser.add_argument("--exit-with-stdin", action="store_true")
    parser.add_argument("--config", default="{}")
    parser.add_argument("--load-timeout-s", type=float, default=120.0)
    args = parser.parse_args()
    if args.backend == "dumb":
        sys.exit("first line\nno such backend: dumb")
    backend = FakeBackend(msgspec.convert(json.loads(args.config), FakeBackend.Config))

    def ready(address):
        print(f"hilbench: serving {args.backend} on {address} (pid {os.getpid()})", flush=True)

    serve(
        backend, args.bind, ready=ready, exit_with_stdin=args.exit_with_stdin, load_timeout_s=args.load_timeout_s
    )  # fmt: skip


if __name__ == "__main__":
    main()
