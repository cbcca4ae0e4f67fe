"""Reads what stable-baselines3's VecNormalize saved, without running any code that is in the file.

A pickle may name any function and have it called. Here only NumPy's arrays are built. Classes of stable-baselines3 and
Gymnasium are replaced by one that does nothing, and every other name is refused.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.files import regular

NUMPY = {"_reconstruct", "_frombuffer", "scalar", "ndarray", "dtype"}
"""The functions that build NumPy's arrays, numbers and types; NumPy 2 renamed their modules."""
NUMPY_MODULES = re.compile(r"numpy(\.(_?core)\.(multiarray|numeric))?")
INERT = re.compile(r"(stable_baselines3|gymnasium|gym|numpy\.random)(\..*)?")
"""Modules whose classes and functions are replaced by `_Inert`."""
CLASS = ("stable_baselines3.common.vec_env.vec_normalize", "VecNormalize")
HEAD_BYTES = 4096
SUFFIXES = (".pkl", ".pickle", "")
NAMES = re.compile(r"vec_?norm|normali[sz]", re.IGNORECASE)


class Statistics(NamedTuple):
    """`mean` and `var` (n_obs,) float64; None for observations that were not normalised."""

    mean: NDArray
    var: NDArray
    epsilon: float
    clip: float


class _Inert:
    """Replaces a class, or what a function returns. It accepts all arguments and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore everything."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})


class _VecNormalize(_Inert):
    """Replaces VecNormalize itself, with the attributes that are read."""

    obs_rms: Any
    epsilon: Any
    clip_obs: Any


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == CLASS:
            return _VecNormalize
        if NUMPY_MODULES.fullmatch(module) and name in NUMPY:
            return super().find_class(module, name)
        if INERT.fullmatch(module):
            return _Inert
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of such a file")


def read_statistics(file: Path) -> Statistics | None:
    """The statistics of observations in a file; None where it says that they are not normalised.

    Raises ValueError, with the reason, for any other file.
    """
    try:
        with regular(file).open("rb") as opened:
            found = _Unpickler(opened).load()
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(f"{type(error).__name__}: {error}".partition("\n")[0]) from None
    if not isinstance(found, _VecNormalize):
        raise ValueError(f"it holds a {type(found).__name__}")
    if not getattr(found, "norm_obs", True):
        return None
    try:
        mean, var = (np.asarray(getattr(found.obs_rms, name), np.float64) for name in ("mean", "var"))
        epsilon, clip = float(found.epsilon), float(found.clip_obs)
    except (AttributeError, TypeError, ValueError):
        raise ValueError("it has no mean, var, epsilon and clip_obs of one Box of observations") from None
    if mean.ndim != 1 or mean.shape != var.shape:
        raise ValueError(f"its mean has the shape {mean.shape}, its var {var.shape}")
    if not (np.isfinite([*mean, *var, epsilon]).all() and (var + epsilon > 0).all() and clip > 0):
        raise ValueError("it holds a number that is not finite, or a variance or clip_obs that is not above 0")
    return Statistics(mean, var, epsilon, min(clip, float(np.finfo(np.float32).max)))


def beside(policy: Path) -> tuple[Path, ...]:
    """Files of such statistics near a policy's, by their names or by what they say at their start; nothing is loaded.

    The one whose name has the policy's numbers alone, as the training step; all of them where none or several have.
    """
    folders = (policy.parent, policy.with_suffix(""))
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    found = [file for file in files if file != policy and file.suffix in SUFFIXES and _says_so(file)]
    alike = [file for file in found if re.findall(r"\d+", file.stem) == re.findall(r"\d+", policy.stem)]
    return tuple(alike if len(alike) == 1 else found)


def _says_so(file: Path) -> bool:
    try:
        with regular(file).open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError:  # a folder, a link to nowhere, or somebody else's
        return False
    return (file.suffix != "" and bool(NAMES.search(file.name))) or CLASS[0].encode() in head
