"""Whether an adaptivity is what it seems: the runs that would expose a fast integrator, or a reflex in disguise."""

from __future__ import annotations

from hilbench.metrics import Measure, Measures, _windows, metric
from hilbench.metrics._scale import Scale
from hilbench.metrics.adaptivity import judged
from hilbench.record.data import RunData

UNDISTURBED = 0.15
"""The most that learning may change where nothing changes, as a share of what the change costs the twin."""
BLIND = 0.1
"""The most performance that a controller may have whose inputs are held."""


@metric("1", "lower", needs=("unchanged", "twin_unchanged", "twin", "floor", "oracle"))
@judged
def control_undisturbed(
    run: RunData, unchanged: RunData, twin_unchanged: RunData, twin: RunData, floor: RunData, oracle: RunData
) -> Measures:
    """What learning changes where nothing changes: |P - P_twin| without the change, by 1 - P_twin with it.

    Means over the horizon. Above 0.15 the weights do not hold what was learnt: they act as a fast integrator of the
    error, which freezing takes away, and adaptivity then says nothing of learning.

    Parameters
    ----------
    run : RunData
        The learner's run.
    unchanged : RunData
        The same without the change.
    twin_unchanged : RunData
        That, with learning stopped where the change would come.
    twin : RunData
        The learner's twin: learning stopped at the change.
    floor, oracle : RunData
        As in `performance`.
    """
    scale, change = Scale(floor, oracle), run.meta.scenario.changes[0]
    spared, frozen, hurt = (scale.after(each, change) for each in (unchanged, twin_unchanged, twin))
    cost = float((1 - hurt).mean())
    if not cost:
        return {"": Measure(None, 0, note="the change costs the twin nothing")}
    return {"": Measure(abs(float(spared.mean() - frozen.mean())) / cost, spared.size)}


@metric("1", "lower", needs=("blind", "floor", "oracle"))
@judged
def control_blind(run: RunData, blind: RunData, floor: RunData, oracle: RunData) -> Measures:
    """Mean performance over the horizon with the program's inputs held at their mean from the change on.

    Its learning signals are left alone. Above 0.1 the network does not need to see: it acts as an integrator of them.

    Parameters
    ----------
    run : RunData
        The learner's run.
    blind : RunData
        The same with `loop.blind_at_s` or `loop.blind_at_episode` at the change.
    floor, oracle : RunData
        As in `performance`.
    """
    after = Scale(floor, oracle).after(blind, run.meta.scenario.changes[0])
    return {"": Measure(float(after.mean()), after.size)}


@metric("1", "higher", needs=("retained", "floor", "oracle"))
@judged
def retained(run: RunData, retained: RunData, floor: RunData, oracle: RunData) -> Measures:
    """Mean performance after the last horizon with learning off from there: what the weights hold by themselves.

    Parameters
    ----------
    run : RunData
        The learner's run.
    retained : RunData
        The same with learning stopped at the end of the last horizon.
    floor, oracle : RunData
        As in `performance`.
    """
    found = Scale(floor, oracle).performance(retained, _windows.after_learning(retained))
    return {"": Measure(float(found.mean()), found.size)}
