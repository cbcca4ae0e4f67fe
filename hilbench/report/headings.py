"""Which metrics the overview shows, in what order and under which headings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hilbench.report import words
from hilbench.report.data import ReportCell, asked_for, phase, phases, with_value

FELT = ("latency[p50]", "latency[p99]", "misses")
"""What is 0 by definition in lockstep, where the plant waits."""


def numbers(cells: Sequence[ReportCell]) -> list[tuple[str, str, str]]:
    """(heading, metric, what it is) of each column of numbers, where any cell has one or says why not."""
    before, after = phases(cells)
    found = [
        ("adaptivity", "adaptivity", "1: as good as the oracle from the change on; 0: no better than the frozen twin"),
        ("adaptivity\nof return", "adaptivity[return]", "the same for the end of the change"),
        ("retained", "retained", "performance with learning off afterwards; 1: as good as the oracle"),
        ("loss\nbefore", "loss[before]", "what the scenario is judged by, in the windows before the change"),
        ("loss\nafter", "loss[after]", "the same, over the horizon after the change"),
        ("loss\nof return", "loss[return]", "the same, over the horizon after the change has ended"),
        ("error\nbefore", before or "", "root mean square in the last phase before the change"),
        (f"error\n{phase(after)}".strip(), after, "root mean square of the plant's tracking error"),
        ("return", "return", "mean over episodes of the sum of their rewards; shown where the plant has no error"),
        ("survival", "survival", "mean time until the plant ended an episode"),
        (
            "recovery",
            "recovery_time",
            "from the change until performance is back; the horizon where it did not",
        ),
        ("latency\np50", "latency[p50]", "scheduled instant to the first action of that tick or a newer one, median"),
        ("latency\np99", "latency[p99]", "the same, 99th percentile"),
        (
            "link round\ntrip p50",
            "link_round_trip[p50]",
            "a bare echo over the link at the same rate: what no controller can beat",
        ),
        ("misses", "misses", "ticks without an action in time, per run; those that were not sent are among them"),
        ("events\nin", "events_in", "events that the plant's sensors told, per second"),
        ("events\nlost", "events_lost", "those of ticks that were not sent: no program has seen them"),
        ("spikes", "spikes", "spikes of all neurons per decision"),
        ("spikes\nagreed", "spike_agreement", "share of them that the reference makes too, on the same ticks; 1: all"),
        ("instructions\np50", "instructions[p50]", "instructions per tick that an emulated device ran, median"),
        ("instructions\nmax", "instructions[max]", "the same, most of all ticks"),
    ]
    # Static power stands in the section on energy: it is the device's, not the controller's.
    energies = dict.fromkeys(
        name for cell in cells for name in cell.metrics if name.startswith("energy_") and not name.endswith(" static]")
    )
    found += [(_energy(name), name, "joules per decision; origins and devices are never compared") for name in energies]
    told = [each for each in found if any(each[1] in cell.metrics for cell in cells) and _tells(cells, each[1])]
    asked = dict.fromkeys(name for cell in cells for name in asked_for(cell.metrics_to_show, cell.metrics))
    own = [name for name in asked if name not in {shown for _, shown, _ in told}]
    return told + [(words.heading(name), name, f"{name}, which the scenario asks for") for name in own]


def _tells(cells: Sequence[ReportCell], name: str) -> bool:
    """Whether a column is worth showing.

    Survival is where an episode ended early, the return where there is no error, lateness and lost events where the
    mode is not lockstep or there are any, and energy where there is a number: the section on energy has the reasons
    for missing ones.
    """
    if name.startswith("energy_"):
        return any(cell.value(name) is not None for cell in cells)
    if name == "return":
        return not any("error_rms" in cell.metrics for cell in cells)
    if name == "survival":
        return any(
            survival_s < meta.scenario.loop.duration_s
            for survival_s, cell in with_value(cells, name)
            for meta in cell.metas
        )
    if name == "events_lost":
        return any(cell.value(name) or cell.mode != "lockstep" for cell in cells)
    return name not in FELT or any(cell.mode != "lockstep" for cell in cells)


def _energy(name: str) -> str:
    """A heading for `energy_modelled[loihi1]`: modelled energy, loihi1."""
    label = re.search(r"\[(.*)\]", name)
    origin = name.partition("[")[0].removeprefix("energy_")
    return f"{origin}\nenergy" + (f",\n{label[1]}" if label else "")
