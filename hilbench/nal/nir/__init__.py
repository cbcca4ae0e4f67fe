"""Networks as plain NIR files, with the execution profile in the graph's metadata.

The graph keeps NIR's own meaning, so any NIR tool opens it. Files are read in a child process with limits, because a
damaged HDF5 file can crash the process that reads it.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from hilbench.errors import NetworkError, ProtocolError
from hilbench.files import is_file, kind_of, signature, write_whole

if TYPE_CHECKING:
    import nir

    from hilbench.nal.model.network import Network
    from hilbench.nal.model.neurons import (
        Fires,
        Integrator,
        Reset,
        ResetAt,
        Spikes,
        Synapse,
        SynapseUpdate,
        ThresholdTest,
    )
    from hilbench.nal.nir.graph import Graph
    from hilbench.nal.nir.presets import TauUnit
    from hilbench.nal.nir.statements import PortKind

REFUSED, FAILED = 3, 4
READ_TIMEOUT_S = 120
READ_MEMORY_BYTES = 8 << 30
KEPT_BYTES = 64 << 20
"""An answer longer than this is not kept, and together they are hardly longer."""
# Modules in the working directory, as an h5py.py, must not be imported: without -P (Python 3.10), '' stands first.
SAFE = ("-P",) if sys.version_info >= (3, 11) else ()
ONLY_INSTALLED = "import sys; sys.path[:] = [folder for folder in sys.path if folder]; "
AS_COMMAND = "sys.argv[0] = 'hilbench'; "
"""A part of the command: `import hilbench` does without Gymnasium there."""
READ = "from hilbench.nal.nir import read_alone; read_alone(sys.argv[1])"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""It multiplies no matrices, and NumPy would start a thread for each core."""


def save(network: Network, path: str | Path) -> None:
    """Write `network` as NIR; the file appears whole or not at all. Raises NetworkError.

    Parameters
    ----------
    network : Network
        The network.
    path : str or Path
        The file.
    """
    import nir

    from hilbench.nal.nir.export import to_nir

    graph = to_nir(network)
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
            draft = Path(folder) / "draft.nir"
            nir.write(draft, graph)
            write_whole(path, draft.read_bytes())
    except OSError as error:
        raise NetworkError(f"{path}: cannot be written ({error.strerror or error})") from None


def load(path: str | Path) -> Network:
    """Read a NIR file that carries a hilbench profile.

    Raises NetworkError when the file is missing, damaged, has no profile, or holds nodes this version cannot run.
    """
    return read(path)


def read(
    path: str | Path, *, preset: str | None = None, dt_s: float | None = None, tau_unit: TauUnit | None = None,
    integrator: Integrator | None = None, reset: Reset | None = None, recurrent_delay: int | None = None,
    reset_at: ResetAt | None = None, threshold_test: ThresholdTest | None = None, fires: Fires | None = None,
    spikes: Spikes | None = None, synapse: Synapse | None = None, synapse_update: SynapseUpdate | None = None,
    refractory_s: float | None = None, spike_amplitude: float | Literal["impulse"] | None = None,
    inputs: PortKind | dict[str, PortKind] | None = None, seed: int | None = None,
    nodes: dict[str, dict[str, Any]] | None = None, **unknown: Any,
) -> Network:  # fmt: skip
    """Read a NIR file, with what must be stated of one that carries no profile. Raises NetworkError.

    `read("net.nir", dt_s=1e-4, integrator="euler", reset="zero")`. What is None is not stated.

    Parameters
    ----------
    path : str or Path
        The file.
    preset : str, optional
        The framework whose answers hold where nothing else is stated.
    dt_s : float, optional
        The network step, in seconds.
    tau_unit : str, optional
        What the file counts time constants and delays in: "s", "dt" or "1/dt".
    integrator, reset, reset_at, threshold_test, fires, spikes, synapse, synapse_update, refractory_s : optional
        Of all neurons: the fields of `neurons.Behaviour`.
    recurrent_delay : int, optional
        Steps from a spike to what it does through a loop, 0 or 1.
    spike_amplitude : float or "impulse", optional
        The value of a spike during its step; "impulse" is 1 / dt_s.
    inputs : str or dict of str, optional
        "values" or "events", of all Input nodes or of each by name.
    seed : int, optional
        The construction seed.
    nodes : dict of dict, optional
        What is stated of single nodes, by name.
    **unknown
        A name that stands here is refused, with the nearest one that there is.
    """
    stated = _stated(
        preset=preset, dt_s=dt_s, tau_unit=tau_unit, integrator=integrator, reset=reset,
        recurrent_delay=recurrent_delay, reset_at=reset_at, threshold_test=threshold_test, fires=fires, spikes=spikes,
        synapse=synapse, synapse_update=synapse_update, refractory_s=refractory_s, spike_amplitude=spike_amplitude,
        inputs=inputs, seed=seed, nodes=nodes,
    )  # fmt: skip
    return read_with_notes(path, stated | unknown)[0]


def _stated(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def read_with_notes(
    path: str | Path, statements: dict[str, Any], soon: Sequence[str] = ()
) -> tuple[Network, list[str]]:
    """`read`, and notes on what the file did not say and on what of it is not kept.

    Parameters
    ----------
    path : str or Path
        The file.
    statements : dict
        What is stated, as the keywords of `read`.
    soon : sequence of str
        Modules that the caller needs next; they are imported while the file is being read.
    """
    path = Path(path)
    if not is_file(path):
        kind = kind_of(path)
        raise NetworkError(f"{path}: {f'this is {kind}, and no' if kind else 'no such'} file")
    answers = _answers_of(path)
    answer = answers.get(_encoded(statements)) if answers else None
    if answer is None:
        encoded, answer = _ask_child(path, lambda: _encoded(statements), ("hilbench.nal.model.codec", *soon))
        if len(answer) <= KEPT_BYTES:
            answers[encoded] = answer

    from hilbench.nal.model.codec import unpack
    from hilbench.nal.model.network import Network

    try:
        packed, notes = msgspec.msgpack.decode(answer, type=tuple[bytes, list[str]])
        network = unpack(packed)
    except (ProtocolError, msgspec.DecodeError) as error:
        raise NetworkError(f"{path}: {error}") from None
    assert isinstance(network, Network)  # the child packs nothing else
    return network, notes


_answers: dict[tuple[int, ...], dict[bytes, bytes]] = {}
"""By a file's signature and what was stated of it: the runs of a process read one network again and again."""


def _answers_of(path: Path) -> dict[bytes, bytes]:
    """What was answered of the file as it is now, by what was stated. Beyond `KEPT_BYTES` the oldest is dropped."""
    if (unchanged := signature(path)) is None:
        return {}
    while sum(len(answer) for found in _answers.values() for answer in found.values()) > KEPT_BYTES:
        del _answers[next(iter(_answers))]
    return _answers.setdefault(unchanged, {})


def _encoded(statements: dict[str, Any]) -> bytes:
    """Statements as JSON. Raises NetworkError for what cannot be stated."""
    from hilbench.nal.nir.per_node import plain
    from hilbench.nal.nir.statements import statements_from

    statements_from(statements)
    return msgspec.json.encode(plain(statements), enc_hook=_listed)


def _listed(value: Any) -> Any:
    """NumPy's arrays as lists, which JSON has."""
    return value.tolist()


def _ask_child(path: Path, encoded: Callable[[], bytes], soon: Iterable[str]) -> tuple[bytes, bytes]:
    """What a child process was told, and what it reads in a file then.

    It starts, imports and reads while `encoded` makes what it is told and `soon` is imported here.
    """
    command = [sys.executable, *SAFE, "-c", ONLY_INSTALLED + AS_COMMAND + READ, str(path)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=os.environ | ONE_THREAD) as child:
        try:
            statements = encoded()
            for module in soon:
                import_module(module)
            told, said = child.communicate(statements, READ_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise NetworkError(f"{path}: not read within {READ_TIMEOUT_S} s") from None
        finally:
            child.kill()  # where it has not ended, nobody waits for it
    if child.returncode == 0:
        return statements, told
    if child.returncode in (REFUSED, FAILED):
        raise NetworkError(f"{path}: {said.decode(errors='replace')}")
    how = f"exit code {child.returncode}"
    if child.returncode < 0:
        how = f"the reading process ended by {signal.Signals(-child.returncode).name}"
    raise NetworkError(f"{path}: not a readable NIR file ({how})")


def from_nir(
    graph: nir.NIRGraph, *, preset: str | None = None, dt_s: float | None = None, tau_unit: TauUnit | None = None,
    integrator: Integrator | None = None, reset: Reset | None = None, recurrent_delay: int | None = None,
    reset_at: ResetAt | None = None, threshold_test: ThresholdTest | None = None, fires: Fires | None = None,
    spikes: Spikes | None = None, synapse: Synapse | None = None, synapse_update: SynapseUpdate | None = None,
    refractory_s: float | None = None, spike_amplitude: float | Literal["impulse"] | None = None,
    inputs: PortKind | dict[str, PortKind] | None = None, seed: int | None = None,
    nodes: dict[str, dict[str, Any]] | None = None, **unknown: Any,
) -> Network:  # fmt: skip
    """The network that a graph of the nir library stands for. Raises NetworkError, naming the node.

    Parameters
    ----------
    graph : nir.NIRGraph
        The graph.
    preset, dt_s, tau_unit, integrator, reset, recurrent_delay, reset_at, threshold_test, fires, spikes
        As in `read`.
    synapse, synapse_update, refractory_s, spike_amplitude, inputs, seed, nodes, **unknown
        As in `read`.
    """
    from hilbench.nal.nir.graph import graph_of, tree_of

    stated = _stated(
        preset=preset, dt_s=dt_s, tau_unit=tau_unit, integrator=integrator, reset=reset,
        recurrent_delay=recurrent_delay, reset_at=reset_at, threshold_test=threshold_test, fires=fires, spikes=spikes,
        synapse=synapse, synapse_update=synapse_update, refractory_s=refractory_s, spike_amplitude=spike_amplitude,
        inputs=inputs, seed=seed, nodes=nodes,
    )  # fmt: skip
    return _network(graph_of(tree_of(graph)), stated | unknown)


def _network(graph: Graph, statements: dict[str, Any]) -> Network:
    from hilbench.nal.nir.attach import attach
    from hilbench.nal.nir.build import build
    from hilbench.nal.nir.profile import profile_of
    from hilbench.nal.nir.statements import statements_from

    profile = None if statements else profile_of(graph)
    return attach(graph, statements_from(statements)) if profile is None else build(graph, profile)


def read_alone(path: str) -> NoReturn:
    """Read one file within limits, write the packed network to standard output, and end the process."""
    gc.disable()  # nothing becomes garbage before the process ends, and imports make much that would be searched
    code = _read_within_limits(path)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # there is nothing to tidy up, and taking all modules apart takes longer than the file


def _read_within_limits(path: str) -> int:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (READ_TIMEOUT_S, READ_TIMEOUT_S + 5))
    resource.setrlimit(resource.RLIMIT_AS, (READ_MEMORY_BYTES, READ_MEMORY_BYTES))
    try:
        graph = _graph(Path(path))  # before it is told the statements, which are being checked meanwhile
        sys.stdout.buffer.write(_packed(graph, msgspec.json.decode(sys.stdin.buffer.read())))
    except NetworkError as error:
        sys.stderr.write(str(error))
        return REFUSED
    except MemoryError:
        sys.stderr.write(f"it takes more than {READ_MEMORY_BYTES >> 30} GiB to read")
        return REFUSED
    except Exception as error:  # an error in hilbench must not look like an error in the file
        sys.stderr.write(f"hilbench failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}")
        return FAILED
    return 0


def packed_file(path: Path, statements: dict[str, Any]) -> bytes:
    """The packed network in a file, and notes on it. Raises NetworkError, whatever HDF5 thinks of the file.

    Parameters
    ----------
    path : Path
        The file.
    statements : dict
        What is stated, as the keywords of `read`.
    """
    return _packed(_graph(path), statements)


def _graph(path: Path) -> Graph:
    from hilbench.nal.nir.graph import graph_of
    from hilbench.nal.nir.hdf5 import read_tree

    try:
        tree = read_tree(path)
    except NetworkError:
        raise
    except Exception as error:  # h5py raises anything at all on damaged files
        words = str(error).partition("\n")[0] or type(error).__name__
        raise NetworkError(f"not a readable NIR file ({words})") from None
    return graph_of(tree)


def _packed(graph: Graph, statements: dict[str, Any]) -> bytes:
    from hilbench.nal.model.codec import pack

    return msgspec.msgpack.encode((pack(_network(graph, statements)), graph.notes))
