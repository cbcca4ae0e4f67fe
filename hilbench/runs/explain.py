"""What backends and targets would make of a network, asked without any hardware."""

from __future__ import annotations

from msgspec import Struct

from hilbench import plugins
from hilbench.errors import HilbenchError, NetworkError
from hilbench.firmware import parts
from hilbench.nal.compile.fold import exact_parts, folded_for
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target, targets
from hilbench.nal.compile.zeros import check_zeros
from hilbench.nal.model.network import Network
from hilbench.types import LoadReport, Probes

IN_PROCESS = ("reference", "numba", "loihi")
"""Backends that load here, at once."""
FIRMWARE = "cortexm"
NO_NETWORKS = ("law", "null")


class Answer(Struct, frozen=True):
    """What a backend says of a network. With a reason it runs nothing of it, or was not asked."""

    exact: tuple[str, ...] = ()
    approximated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refused: str = ""
    not_asked: str = ""


class Fit(Struct, frozen=True):
    """How a network fits a target."""

    cores: int = 0
    broken: tuple[str, ...] = ()
    approximated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()


def ask_backends(network: Network) -> dict[str, Answer]:
    """What each backend would run as stated, approximate, drop or refuse, by name."""
    found = {name: _asked(name, network) for name in IN_PROCESS}
    found[FIRMWARE] = _built(network)
    for name in plugins.all_of("backends").keys() - found.keys() - set(NO_NETWORKS):
        found[name] = Answer(not_asked="it needs a device or a Python of its own; `hilbench run` asks it")
    return found


def fit(network: Network, target: str) -> Fit:
    """Which limits of one target a network breaks, and what the target does otherwise.

    Parameters
    ----------
    network : Network
    target : str
        The target's name.
    """
    try:
        report = compile_network(network, target, load_target(target))
    except NetworkError as error:
        return Fit(broken=(str(error),))
    broken = tuple(map(str, report.broken))
    return Fit(report.cores, broken, tuple(report.approximated), tuple(report.dropped), tuple(report.erased))


def fit_targets(network: Network) -> dict[str, Fit]:
    """Which limits of each target a network breaks, and what the target does otherwise, by name."""
    return {name: fit(network, name) for name in targets()}


def _asked(name: str, network: Network) -> Answer:
    kind = plugins.get("backends", name)
    try:
        return _answer(kind(kind.Config()).load(network, network.dt_us, Probes()))
    except HilbenchError as error:
        return Answer(refused=str(error))


def _built(network: Network) -> Answer:
    """What the firmware would hold; nothing is compiled, and no board asked."""
    config = plugins.get("backends", FIRMWARE).Config()
    try:
        folded = folded_for(network, FIRMWARE)
        made = parts(folded, config.weight_bits, config.largest_value)
        warnings = check_zeros(made.zeros, made.inputless, config.zeros_max)
    except HilbenchError as error:
        return Answer(refused=str(error))
    exact = exact_parts(network, folded.network, made.approximated)
    return _answer(LoadReport(FIRMWARE, exact, made.approximated, warnings=warnings))


def _answer(report: LoadReport) -> Answer:
    return Answer(report.exact, report.approximated, report.dropped, report.warnings)
