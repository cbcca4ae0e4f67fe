"""Performance: the loss of a window on a scale from what does nothing to what knows of the change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import _windows
from hilbench.metrics._losses import Refused
from hilbench.metrics._windows import Span, losses
from hilbench.record.data import RunData
from hilbench.scenario.losses import better
from hilbench.scenario.score import Change


class Scale:
    """P = clip((J_floor - J) / (J_floor - J_oracle), 0, 1), with the mean losses after the first change.

    Parameters
    ----------
    floor : RunData
        The run that does nothing about the change: performance 0.
    oracle : RunData
        The run that knows of it: performance 1.

    Raises Refused where the oracle is no better than the floor, or one of them ended before the horizon did.
    """

    def __init__(self, floor: RunData, oracle: RunData) -> None:
        first = floor.meta.scenario.changes[0]
        self._zero, one = (float(losses(each, _windows.horizon(each, first)).mean()) for each in (floor, oracle))
        self._width = self._zero - one
        if not (np.isfinite(self._zero) and self._width > 0):
            sign = 1 if better(floor.meta.scenario.score.loss) == "lower" else -1
            said = f"the floor's loss after the change is {sign * self._zero:.3g}, the oracle's {sign * one:.3g}"
            raise Refused(f"no scale: {said}")

    def unclipped(self, run: RunData, span: Span) -> NDArray[np.float64]:
        """P (rows, windows), not limited to 0 to 1; minus infinity where a window has no loss.

        Parameters
        ----------
        run : RunData
        span : Span
            Its windows.
        """
        return (self._zero - losses(run, span)) / self._width

    def performance(self, run: RunData, span: Span) -> NDArray[np.float64]:
        """P (rows, windows).

        Parameters
        ----------
        run : RunData
        span : Span
            Its windows.
        """
        return np.clip(self.unclipped(run, span), 0.0, 1.0)

    def after(self, run: RunData, change: Change) -> NDArray[np.float64]:
        """P (rows, windows) over the horizon after a change.

        Parameters
        ----------
        run : RunData
        change : Change
        """
        return self.performance(run, _windows.horizon(run, change))

    def before(self, run: RunData, change: Change) -> NDArray[np.float64]:
        """P (rows, windows) before a change.

        Parameters
        ----------
        run : RunData
        change : Change
        """
        return self.performance(run, _windows.before(run, change))
