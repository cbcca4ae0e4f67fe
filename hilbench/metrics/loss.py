"""What the scenario is judged by, as it is: the mean loss of the windows before the change, after it, and late."""

from __future__ import annotations

import numpy as np

from hilbench.errors import RecordError
from hilbench.metrics import Measure, Measures, _windows, metric
from hilbench.metrics._losses import Refused, unit
from hilbench.metrics.adaptivity import judged
from hilbench.record.data import RunData
from hilbench.scenario.losses import Rms, better

LABELS = ("after", "return")
"""Of the windows that follow the change, and its end."""


def loss_to_minimise(run: RunData) -> float:
    """The mean loss of the windows over the horizon after the change, lower for better; infinite where one has none.

    Raises RecordError where the plant has not what the loss needs.
    """
    try:
        return float(_windows.losses(run, _windows.horizon(run, run.meta.scenario.changes[0])).mean())
    except Refused as reason:
        raise RecordError(f"score: {reason}") from None


@metric("", "lower")
@judged
def loss(run: RunData) -> Measures:
    """The scenario's `[score.loss]`: its mean over the windows before the change, after it, and after its end.

    `late` is the last half of the windows after the change: what has been learnt by then.
    Of loss `rms` only where the key is not the plant's error: `error_rms` has that by phases.

    Parameters
    ----------
    run : RunData
        The run.
    """
    config = run.meta.scenario.score.loss
    if config == Rms():
        return {}
    changes, which = run.meta.scenario.changes, better(config)
    spans = {"before": _windows.before(run, changes[0])} | {
        label: _windows.horizon(run, change) for label, change in zip(LABELS, changes, strict=False)
    }
    spans["late"] = _windows.last_half(run, spans["after"])
    found = {}
    for label, span in spans.items():
        values = _windows.losses(run, span) * (1 if which == "lower" else -1)
        finite = values[np.isfinite(values)]
        if finite.size:
            found[label] = Measure(float(finite.mean()), finite.size, unit(run), better=which)
    if not found:
        raise Refused("the run ended before the first window did, or its loss is no number")
    return found


@metric("", "lower")
@judged
def horizon_loss(run: RunData) -> Measures:
    """J of the scores: the mean loss of the windows over the horizon after the change, whatever the loss is.

    A window that the run did not live to the end of makes it infinitely bad.

    Parameters
    ----------
    run : RunData
        The run.
    """
    values = _windows.losses(run, _windows.horizon(run, run.meta.scenario.changes[0]))
    which = better(run.meta.scenario.score.loss)
    return {"": Measure(float(values.mean()) * (1 if which == "lower" else -1), values.size, unit(run), better=which)}
