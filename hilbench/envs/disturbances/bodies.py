"""Disturbances of the body: what it carries, and how its joints rub."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from msgspec import Meta

from hilbench import plugins
from hilbench.envs.disturbances._base import Disturbance, Loads, NotNegative, Timing, Traits, require_joints, spread
from hilbench.errors import HilbenchError, ScenarioError


class Payload(Disturbance):
    """Adds a point mass to the plant's tip link."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        mass_kg: Annotated[float, Meta(gt=0, le=1000)]
        """What is added to the tip."""

    def fit(self, traits: Traits) -> None:
        if traits.tip_link is None:
            raise ScenarioError(f"{self.where}: payload needs a plant with a tip link; {_plants_with_a_tip()}")

    def load(self, loads: Loads) -> None:
        loads.tip_kg += self.level * self.config.mass_kg


class JointFriction(Disturbance):
    """Adds viscous friction to joints."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        damping: NotNegative | tuple[NotNegative, ...] | dict[str, NotNegative]
        """N m s/rad on a hinge, N s/m on a slide: one for all joints, a list, or a table by joint name."""

    def fit(self, traits: Traits) -> None:
        require_joints("joint_friction", traits, self.where)
        self._damping = spread(self.config.damping, traits.joints, 0.0, f"{self.where}.damping")

    def load(self, loads: Loads) -> None:
        for joint, damping in enumerate(self._damping):
            loads.damping[joint] += self.level * damping


def _plants_with_a_tip() -> str:
    # Plants are imported only for this message, so that listing them imports nothing.
    fits = []
    for name, plugin in plugins.all_of("envs").items():
        with suppress(HilbenchError):  # one that does not load fits none
            traits = getattr(plugin.load(), "traits", None)
            fits += [name] if traits and traits.tip_link else []
    return f"it fits: {', '.join(fits) or 'none'}"
