"""Feedback about a reference that the plant observes: what learners of a residual stand on.

A command is u = u_ff + u_fb + what is learnt. Feed-forward u_ff drives the nominal plant along its reference, feedback
u_fb pulls it back, and both are linear in the observation. The error that teaches is E = -u_fb: feedback-error
learning, of Kawato, Furukawa & Suzuki (1987), "A hierarchical neural-network model for control and learning of
voluntary movement", Biological Cybernetics 57: 169-185. For an LQR it is -R^-1 B'P e, the direction of model-reference
adaptive control.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._arm import arm_model
from hilbench.controllers.lqr import LQRConfig, cart_pole_gain
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

NotNegative = Annotated[float, Meta(ge=0)]
Rows = tuple[tuple[float, ...], ...]
"""A matrix (n_actions, n_observations)."""


class FeedbackConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gains of the feedback. The arms', the quadrotor's and the hexapod's are their plants'."""

    kp: NotNegative = 0.6
    """Of the beam's PD, in N m/rad."""
    kd: NotNegative = 0.11
    """Of the beam's PD, in N m s/rad."""
    state_cost: tuple[NotNegative, NotNegative, NotNegative, NotNegative] = (1.0, 0.1, 10.0, 0.1)
    """Of the cart-pole's LQR: diagonal of Q, for x, xd, theta, thetad in SI units."""
    force_cost: Annotated[float, Meta(gt=0)] = 0.1
    """Of the cart-pole's LQR: R, per N^2."""


class Feedback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The feedback of one plant, as numbers."""

    feedback: Rows
    """u_fb = feedback @ observation, in the actions' units."""
    feedforward: Rows
    """u_ff = feedforward @ observation."""
    inside: bool
    """Whether the plant itself applies both, at each physics step; an action is then the residual alone."""
    limit: tuple[float, ...]
    """The largest action either way, of each."""
    state: tuple[str, ...]
    """The observations that a learnt term depends on, unless a controller says others."""
    scale: tuple[float, ...]
    """How far each of them moves from its centre."""
    centre: tuple[float, ...]
    unmatched: tuple[float, ...] = ()
    """An error that no force mends: it is unmatched @ observation, and shows a sensor's offset. None when empty."""
    correction: tuple[float, ...] = ()
    """What the feedback gains, of each action, by a unit of that offset taken off the sensor."""


class Terms:
    """Both terms of one observation.

    Parameters
    ----------
    feedback : Feedback
    """

    def __init__(self, feedback: Feedback) -> None:
        self._feedback, self._forward = np.array(feedback.feedback), np.array(feedback.feedforward)
        self._acting = self._feedback + self._forward
        if feedback.inside:
            self._acting = np.zeros_like(self._acting)
        self.size = self._acting.shape[1]
        """How many observations are read."""

    def command(self, values: NDArray) -> NDArray:
        """What is commanded without learning, (n_actions,): u_ff + u_fb, or 0 where the plant adds them."""
        return self._acting @ values[: self.size]

    def feedback(self, values: NDArray) -> NDArray:
        """u_fb, (n_actions,): minus the error that teaches."""
        return self._feedback @ values[: self.size]


def teaching(feedback: NDArray, learnt: NDArray, limit: NDArray) -> NDArray:
    """The feedback that still teaches, (n_actions,): 0 where what is learnt is at its limit and would go further.

    What is learnt alone counts, not what is added to it: it stays within what an action can be.

    Parameters
    ----------
    feedback, learnt, limit : (n_actions,) float
    """
    return np.where((np.abs(learnt) >= limit) & (learnt * feedback > 0), 0.0, feedback)


def feedback_of(config: FeedbackConfig, plant: PlantSpec, controller: str) -> Feedback:
    """The feedback about a plant's reference. Raises ScenarioError for a plant without one.

    Parameters
    ----------
    config : FeedbackConfig
    plant : PlantSpec
        Whose names and nominal parameters are read.
    controller : str
        The controller's name, for the message.
    """
    names = plant.obs_names
    if "qdd_ref" in names and "motor_lag_s" in plant.parameters:
        return _beam(config, plant)
    if "thetadd_ref" in names:
        return _cart_pole(config, plant, controller)
    if "q_ref_7" in names:
        return _arm7(plant, controller)
    if "q_ref_1" in names:
        return _arm(plant, controller)
    if "tilt_x" in names:
        return _quad(plant, controller)
    if "lack_l1" in names:
        return _hexapod(plant, controller)
    raise ScenarioError(f"controller {controller!r} needs a plant with a reference that it knows; this one states none")


def rows_of(plant: PlantSpec, *rows: dict[str, float]) -> Rows:
    """A matrix with these entries by observation, and 0 for all others.

    Parameters
    ----------
    plant : PlantSpec
    *rows : dict
        By the observation's name.
    """
    return tuple(tuple(row.get(name, 0.0) for name in plant.obs_names) for row in rows)


def _need_inner_loop(plant: PlantSpec, what: str, controller: str) -> None:
    """Raise ScenarioError for a plant that does not apply feedback itself."""
    if not plant.parameters["inner_loop"]:
        text = f"needs {what} with its inner loop; set plant.inner_loop = true"
        raise ScenarioError(f"controller {controller!r} {text}")


def _beam(config: FeedbackConfig, plant: PlantSpec) -> Feedback:
    p = plant.parameters
    inertia = p["inertia_kg_m2"] + p["tip_kg"] * p["tip_m"] ** 2
    return Feedback(
        feedback=rows_of(plant, {"q": -config.kp, "qd": -config.kd, "q_ref": config.kp, "qd_ref": config.kd}),
        feedforward=rows_of(plant, {"qdd_ref": inertia, "qd_ref": p["damping_n_m_s"]}),
        inside=False,
        limit=plant.action_high,
        state=("q",),
        scale=(1.2,),
        centre=(0.0,),
    )


def _cart_pole(config: FeedbackConfig, plant: PlantSpec, controller: str) -> Feedback:
    p = plant.parameters
    costs = LQRConfig(state_cost=config.state_cost, force_cost=config.force_cost)
    gain = dict(zip(("x", "xd", "theta", "thetad"), cart_pole_gain(costs, plant, controller).tolist(), strict=True))
    row = {name: -k for name, k in gain.items()} | {f"{name}_ref": k for name, k in gain.items()}
    ahead = {"xdd_ref": p["cart_kg"] + p["pole_kg"], "thetadd_ref": p["pole_kg"] * p["pole_m"] / 2}
    return Feedback(
        feedback=rows_of(plant, row),
        feedforward=rows_of(plant, ahead),
        inside=False,
        limit=plant.action_high,
        state=("x", "xd"),
        scale=(1.0, 1.5),
        centre=(0.0, 0.0),
        unmatched=rows_of(plant, {"x": 1.0, "x_ref": -1.0})[0],
        correction=(gain["theta"],),
    )


def _arm7(plant: PlantSpec, controller: str) -> Feedback:
    p, numbers = plant.parameters, range(1, 8)
    _need_inner_loop(plant, "an arm", controller)
    rows = [
        {f"q_{n}": -p[f"kp_{n}"], f"qd_{n}": -p[f"kd_{n}"], f"q_ref_{n}": p[f"kp_{n}"], f"qd_ref_{n}": p[f"kd_{n}"]}
        for n in numbers
    ]
    # Seven sines are seldom at their ends at once: their norm stays below 1.9 swings.
    swings = [1.9 * p[f"swing_{n}_rad"] for n in numbers]
    return Feedback(
        feedback=rows_of(plant, *rows),
        feedforward=rows_of(plant, *({},) * 7),
        inside=True,
        limit=plant.action_high,
        state=(*(f"q_{n}" for n in numbers), *(f"qd_{n}" for n in numbers)),
        scale=(*swings, *(1.3 * swing for swing in swings)),
        centre=(*(p[f"centre_{n}_rad"] for n in numbers), *(0.0,) * 7),
    )


def _arm(plant: PlantSpec, controller: str) -> Feedback:
    arm = arm_model(plant, controller)
    _need_inner_loop(plant, "an arm", controller)
    rows = [
        {f"q_{n}": -kp, f"qd_{n}": -kd, f"q_ref_{n}": kp, f"qd_ref_{n}": kd}
        for n, kp, kd in ((1, arm.kp_1, arm.kd_1), (2, arm.kp_2, arm.kd_2))
    ]
    return Feedback(
        feedback=rows_of(plant, *rows),
        feedforward=rows_of(plant, {}, {}),
        inside=True,
        limit=plant.action_high,
        state=("q_1", "q_2", "qd_1", "qd_2"),
        scale=(1.0, 1.0, 2.0, 2.5),
        centre=(plant.parameters["q_centre_1_rad"], plant.parameters["q_centre_2_rad"], 0.0, 0.0),
    )


def _quad(plant: PlantSpec, controller: str) -> Feedback:
    p = plant.parameters
    _need_inner_loop(plant, "a quadrotor", controller)
    pulls = [
        {axis: -k, f"{axis}_ref": k, f"v{axis}": -d, f"v{axis}_ref": d}
        for axis, k, d in ((axis, p["position_per_s2"], p["velocity_per_s"]) for axis in "xyz")
    ]
    turns = [
        {f"tilt_{axis}": -p[f"tilt_{axis}_per_s2"], rate: -p[f"spin_{axis}_per_s"]}
        for axis, rate in zip("xyz", ("roll_rate", "pitch_rate", "yaw_rate"), strict=True)
    ]
    return Feedback(
        feedback=rows_of(plant, *pulls, *turns),
        feedforward=rows_of(plant, *({},) * 6),
        inside=True,
        limit=plant.action_high,
        state=("x", "y", "z"),
        scale=(0.6, 0.6, 0.4),
        centre=(0.0, 0.0, p["height_m"]),
    )


def _hexapod(plant: PlantSpec, controller: str) -> Feedback:
    _need_inner_loop(plant, "a hexapod", controller)
    lacks = [name.replace("swing_", "lack_") for name in plant.action_names]
    return Feedback(
        feedback=rows_of(plant, *({name: plant.parameters["gain_rad_s_m"]} for name in lacks)),
        feedforward=rows_of(plant, *({} for _ in lacks)),
        inside=True,
        limit=plant.action_high,
        state=("phase_cos", "phase_sin"),
        scale=(1.0, 1.0),
        centre=(0.0, 0.0),
    )
