"""Checks that every backend makes before it loads a Network, and the sizes of its replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.network import Network
from hilbench.types import Backend, Carry, LoadReport, Probes, Program

MAX_SPIKES = 255
"""The most spikes of one neuron in one step, where `spikes` is `multiple`."""
STEPS_MAX = 100_000
"""Network steps in a control period: one tick must not keep a device busy for hours."""


def all_or_nothing(load: Callable[..., LoadReport]) -> Callable[..., LoadReport]:
    """Make a backend's `load` leave the backend unchanged when it fails, so that the loaded program runs on."""

    @wraps(load)
    def checked(self: Backend, program: Program, period_us: int, probes: Probes) -> LoadReport:
        before = dict(vars(self))
        try:
            return load(self, program, period_us, probes)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return checked


def runnable(program: Program, period_us: int, probes: Probes, backend: str) -> Network:
    """The program, which is a network that can run at this period with these probes. Raises NetworkError if not.

    Parameters
    ----------
    program : Program
        A network or a law.
    period_us : int
        The control period, in microseconds.
    probes : Probes
        What the run records inside the network.
    backend : str
        The backend's name, for the message.
    """
    if not isinstance(program, Network):
        raise NetworkError(f"backend {backend!r} runs networks; found a law; allowed: backend 'law'")
    if not program.populations:
        raise NetworkError("this network has no populations; add one with lif or readout")
    if period_us % program.dt_us:
        raise NetworkError(
            f"the control period of {period_us} us is no multiple of the network step of {program.dt_us} us"
        )
    if period_us // program.dt_us > STEPS_MAX:
        raise NetworkError(
            f"the control period of {period_us} us has {period_us // program.dt_us} network steps; allowed: {STEPS_MAX}"
        )
    spiking = [p.name for p in program.populations.values() if p.spiking]
    for name in probes.spikes:
        if name not in spiking:
            raise NetworkError(f"record.spikes: found {name!r}; {allowed_hint(name, spiking)}")
    if len(set(probes.spikes)) < len(probes.spikes):
        raise NetworkError(f"record.spikes: found {', '.join(probes.spikes)}; allowed: each population once")
    for name in (*probes.weights, *probes.weight_norms):
        if name not in program.projections:
            raise NetworkError(f"record.weights: found {name!r}; {allowed_hint(name, program.projections)}")
    return program


def detached(network: Network) -> Network:
    """A copy of the network that holds the same parts: what its builder adds later does not reach the copy."""
    return replace(
        network,
        populations=dict(network.populations),
        projections=dict(network.projections),
        output_sources=dict(network.output_sources),
        shapes=dict(network.shapes),
    )


def check_folded(folded: Network, probes: Probes) -> None:
    """Raise NetworkError for recorded weights that folding has merged into another matrix."""
    for name in (*probes.weights, *probes.weight_norms):
        if name not in folded.projections:
            text = f"found {name!r}, which here is one matrix with the linear nodes that it meets"
            raise NetworkError(f"record.weights: {text}; {allowed_hint(name, folded.projections)}")


def probe_ticks(probes: Probes, period_us: int) -> int:
    """How many ticks lie between two records of weights."""
    every_us = round(probes.weights_period_s * 1e6)
    if (probes.weights or probes.weight_norms) and every_us % period_us:
        raise NetworkError(
            f"record.weights_period_s of {every_us} us is no multiple of the control period of {period_us} us"
        )
    return max(1, every_us // period_us)


def n_probe_values(network: Network, probes: Probes) -> int:
    """How many values a record of weights has."""
    return sum(network.projections[name].weights.nnz for name in probes.weights) + len(probes.weight_norms)


def check_snapshot(found: Mapping[str, NDArray], mine: Mapping[str, NDArray], carry: Carry) -> list[str]:
    """The names of what a restore with this `carry` puts back. Raises NetworkError when the arrays do not fit."""
    learnt = ("weights/", "thresholds/")
    wanted = [name for name in mine if carry == "all" or (carry == "weights" and name.startswith(learnt))]
    for name in wanted:
        if name not in found:
            raise NetworkError(f"snapshot: no {name!r}; it is from another network or backend")
        shape = np.shape(found[name])
        if shape != mine[name].shape:
            raise NetworkError(f"snapshot: {name!r}: found shape {shape}; allowed: {mine[name].shape}")
        _check_numbers(name, np.asarray(found[name]), mine[name].dtype, name.startswith(learnt))
    return wanted


def _check_numbers(name: str, found: NDArray, kind: np.dtype, learnt: bool) -> None:
    if not np.can_cast(found.dtype, kind, "same_kind"):
        raise NetworkError(f"snapshot: {name!r}: found {found.dtype} numbers; allowed: {kind}")
    if learnt and not np.isfinite(found.astype(kind)).all():
        raise NetworkError(f"snapshot: {name!r}: found a number that is not finite; allowed: finite ones")
