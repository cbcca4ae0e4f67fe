"""How many of a run's recorded spikes the reference backend makes too, when it gets the same ticks in open loop."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import RecordError
from hilbench.record.layout import AGREEMENT
from hilbench.record.meta import AgreementRecord
from hilbench.runs.given import recorded_scenario
from hilbench.runs.refeed import answer, program_of, recorded_run, write_beside
from hilbench.scenario.resolved import Scenario
from hilbench.types import EVENT

REFERENCE = "reference"


def compare_spikes(folder: str | Path, scenario: Scenario | None = None) -> AgreementRecord:
    """Feed a run's ticks to the reference, write `agreement.json` into the run's folder, and return what it says.

    Raises RecordError for a run without recorded spikes, and NetworkError for a network that the reference cannot run.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    scenario : Scenario, optional
        The run's, as it was run; the one in its record when absent.
    """
    recorded, ticks = recorded_run(folder, "compare")
    if not recorded.meta.scenario.record.spikes:
        raise RecordError(f"{folder}: no spikes are recorded; name populations in record.spikes")
    if any(fault.recovery is not None for fault in recorded.meta.faults):
        raise RecordError(f"{folder}: its device was lost and came back, so its network went on from another state")
    scenario = scenario or recorded_scenario(recorded.meta, f"{folder}: run.json")
    counts = np.zeros(3, np.int64)
    with ExitStack() as stack:
        link, loop = program_of(recorded, scenario, stack, REFERENCE)
        for number, (episode, sent) in enumerate(zip(recorded.episodes, ticks, strict=True)):
            link.reset(loop.seed + number, "none" if number == 0 else loop.carry, loop.catch_up)
            for tick in sent:
                fired = answer(link, tick).probe_events
                if episode["answered"][tick.seq]:
                    counts += _counts(np.asarray(episode["probe_events"][tick.seq]), fired)
    mine, theirs, agreed = counts.tolist()
    found = AgreementRecord(reference_backend=REFERENCE, run_spikes=mine, reference_spikes=theirs, agreed_spikes=agreed)
    write_beside(Path(folder), AGREEMENT, found)
    return found


def _counts(mine: NDArray, theirs: NDArray) -> tuple[int, int, int]:
    """Spikes in the run, spikes of the reference, and how many pairs share the neuron and the network step."""
    keys_mine, n_mine = _keys(mine)
    keys_theirs, n_theirs = _keys(theirs)
    _, at_mine, at_theirs = np.intersect1d(keys_mine, keys_theirs, assume_unique=True, return_indices=True)
    return len(mine), len(theirs), int(np.minimum(n_mine[at_mine], n_theirs[at_theirs]).sum())


def _keys(events: NDArray) -> tuple[NDArray, NDArray]:
    """The distinct spikes, (n,) uint64, and how often each occurs; an event's time is that of its network step."""
    return np.unique(np.ascontiguousarray(events, EVENT).view(np.uint64), return_counts=True)
