"""The contract tests of plug-ins, for whoever writes one: derive a test class, and name the part it is about.

Such a file is::

    from hilbench.testing import PlantContract

    class TestMine(PlantContract):
        plugin = "mine"

`plugin` is the name of an entry point, MODULE:NAME, or the part itself. pytest collects the inherited tests. Each test
holds one promise, and a failure says in one line which one was broken. Nothing in hilbench imports this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hilbench.errors import MissingExtra

if TYPE_CHECKING:
    from hilbench.testing.backends import BackendContract
    from hilbench.testing.controllers import ControllerContract
    from hilbench.testing.decoders import DecoderContract
    from hilbench.testing.disturbances import DisturbanceContract
    from hilbench.testing.encoders import EncoderContract
    from hilbench.testing.links import LinkContract
    from hilbench.testing.meters import MeterContract
    from hilbench.testing.metrics import MetricContract
    from hilbench.testing.plants import PlantContract
    from hilbench.testing.sensors import SensorContract

__all__ = [
    "BackendContract", "ControllerContract", "DecoderContract", "DisturbanceContract", "EncoderContract",
    "LinkContract", "MeterContract", "MetricContract", "PlantContract", "SensorContract",
]  # fmt: skip
NEEDED = ("pytest", "hypothesis")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{name.removesuffix('Contract').lower()}s")
    except ModuleNotFoundError as error:
        if error.name in NEEDED:
            raise MissingExtra("pytest and Hypothesis", "testing") from error
        raise
    return getattr(module, name)
