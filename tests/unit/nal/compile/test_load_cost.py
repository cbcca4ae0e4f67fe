"""Loading costs in proportion to the number of populations: twice as many take at most 2.2 times the instructions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import hilbench
from hilbench import plugins
from hilbench.firmware import parts as firmware_parts
from hilbench.nal import load, save
from hilbench.nal.compile.fold import Folded
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.model.network import Network
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.stdp import STDP
from hilbench.types import Probes

HERE = str(Path(hilbench.__file__).parent)
N = 40


def chain(n, learns=False, own_ports=True):
    """N populations of one neuron in a row, each with ports of its own, the last ones first where it can be."""
    net = Network(1e-3)
    for i in range(n if own_ports else 1):
        net.input(f"value{i}", 1)
        net.input(f"event{i}", 1, kind="events")
    for i in range(n):
        net.lif(f"cells{i}", 1, tau_s=0.02)
        port = i if own_ports else 0
        net.connect(f"value{port}", f"cells{i}", np.ones((1, 1)), name=f"drive{i}")
        rule = STDP() if learns else None
        net.connect(f"event{port}", f"cells{i}", np.ones((1, 1)), delay_steps=1 + i % 3, rule=rule, name=f"kick{i}")
        if i:
            net.connect(f"cells{i - 1}", f"cells{i}", np.ones((1, 1)), delay_steps=1, name=f"on{i}")
        if learns:
            net.readout(f"out{i}", 1, tau_s=0.1)
            net.connect(f"cells{i}", f"out{i}", np.zeros((1, 1)), rule=PES(modulator=f"error{i}"), name=f"learn{i}")
        else:
            net.output(f"spikes{i}", f"cells{i}", kind="events")
    return net


def relays(n):
    """N relays, each between an input and a population."""
    net = Network(1e-3)
    for i in range(n):
        net.input(f"event{i}", 1, kind="events")
        net.add(f"relay{i}", "passthrough", 1)
        net.lif(f"cells{i}", 1, tau_s=0.02)
        net.connect(f"event{i}", f"relay{i}", np.ones((1, 1)))
        net.connect(f"relay{i}", f"cells{i}", np.ones((1, 1)))
        net.output(f"sum{i}", f"relay{i}")
    return net


def instructions(work):
    """How many of Python's instructions `work` takes in this package's own files."""
    found = 0

    def trace(frame, event, _):
        nonlocal found
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        found += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


def run_on(name):
    backend = plugins.get("backends", name)

    def work(net):
        loaded = backend(backend.Config())
        loaded.load(net, 1000, Probes(spikes=("cells0", "cells1")))
        loaded.reset(0, "none")

    return work


def stored(net, folder):
    save(net, folder / "net.nir")
    return load(folder / "net.nir")


def ratio(work, make, n=N):
    """Cost of 2n over cost of n; one run before, so that nothing is imported or cached on the way."""
    work(make(n))
    small, large = make(n), make(2 * n)
    return instructions(lambda: work(large)) / instructions(lambda: work(small))


@pytest.mark.parametrize("backend", ["reference", "numba", "loihi"])
def test_a_backend_loads(backend):
    assert ratio(run_on(backend), chain) <= 2.2


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_a_backend_loads_rules(backend):
    assert ratio(run_on(backend), lambda n: chain(n, learns=True)) <= 2.2


@pytest.mark.parametrize("learns", [False, True])
def test_a_program_is_packed_and_decoded(learns):
    def make(n):
        return chain(n, learns)

    assert ratio(pack, make) <= 2.2
    assert ratio(unpack, lambda n: pack(make(n))) <= 2.2


@pytest.mark.parametrize("learns", [False, True])
def test_a_network_is_built(learns):
    assert instructions(lambda: chain(2 * N, learns)) <= 2.2 * instructions(lambda: chain(N, learns))


@pytest.mark.parametrize("target", ["loihi1", "loihi2", "spinnaker1", "truenorth", "xylo"])
@pytest.mark.parametrize("make", [chain, relays])
def test_a_network_is_compiled(target, make):
    found = load_target(target)
    assert ratio(lambda net: compile_network(net, target, found), make) <= 2.2


def test_a_firmware_is_written():
    assert ratio(lambda net: firmware_parts(Folded(net, ()), 8, 1.0), lambda n: chain(n, own_ports=False)) <= 2.2


def test_a_file_is_written_and_read(tmp_path):
    assert ratio(lambda net: stored(net, tmp_path), chain) <= 2.2
