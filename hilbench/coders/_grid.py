"""Places of a square grid within a disc."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def disc_grid(radius_m: float, spacing_m: float) -> NDArray[np.float64]:
    """Places of a square grid about the origin, no farther from it than a radius, (n, 2): by rising y, then rising x.

    Parameters
    ----------
    radius_m, spacing_m : float
    """
    n = int(radius_m / spacing_m + 1e-9)
    line = spacing_m * np.arange(-n, n + 1)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return places[np.hypot(*places.T) <= radius_m * (1 + 1e-9)]
