"""A cart-pole whose pole length sets how little delay its controller may have. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.envs._picture import View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

CART_KG, POLE_KG = 1.0, 0.1
FALLEN_RAD, RAIL_END_M = 0.6, 2.35
START_RAD = 0.05


class CartpoleLadder(BulletPlant):
    """A pole to balance on a cart; the shorter the pole, the less delay its controller may have.

    ## Description
    A cart of 1 kg runs on a rail of +-2.4 m and carries a thin rod of 0.1 kg on a hinge without friction. The rod's
    length is an argument: upright, its angle grows at 4.0, 5.6, 8.0, 12.6 and 17.8 /s for 1, 0.5, 0.25, 0.1 and
    0.05 m, so a ladder of poles measures latency. The usual disturbances are `joint_friction` and `sensor_bias`.

    ## Action Space
    `Box(-force_n, force_n, (1,), float32)`: the force on the cart, held over a control period.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | force | N | -force_n | force_n |

    ## Observation Space
    `Box((4,), float32)`, as sensed: with bias and noise where a disturbance adds them. The angle does not wrap.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | x, the cart's position | m | 5 |
    | 1 | xd | m/s | 1e4 |
    | 2 | theta, 0 upright, growing towards +x | rad | 1e5 |
    | 3 | thetad | rad/s | 1e4 |

    ## Rewards
    1 for each control period at whose end the pole has not fallen, else 0.

    ## Starting State
    Everything is 0 but the angle, which is uniform in +-0.05 rad.

    ## Episode End
    Terminates when |theta| > 0.6 rad or |x| > 2.35 m at any physics step. `gym.make` truncates after 30 000 steps,
    which is 30 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/CartPoleLadder-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `theta_error_rad`, the true |theta|; `x_m`, the true position;
    `force_n`, what acted last; `work_j`, the integral of |force x speed|; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        pole_m: Annotated[float, Meta(gt=0.02, le=2)] = 1.0
        """Length of the pole."""
        force_n: Annotated[float, Meta(gt=0, le=1000)] = 20.0
        """Largest force on the cart, either way."""

    env_id: ClassVar[str] = "hilbench/CartPoleLadder-v0"
    max_episode_steps: ClassVar[int] = 30_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("x", "xd", "theta", "thetad"),
        "obs_units": ("m", "m/s", "rad", "rad/s"),
        "action_names": ("force",),
        "action_units": ("N",),
    }
    traits = Traits(sensors=("x", "xd", "theta", "thetad"), joints=("slide", "hinge"), actuators=("force",))
    driven = (0,)
    obs_high: ClassVar[tuple[float, ...]] = (5.0, 1e4, 1e5, 1e4)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and nominal constants; `pole_inertia_kg_m2` is about the pole's centre of mass."""
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(-config.force_n,),
            action_high=(config.force_n,),
            safe_action=(0.0,),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "theta_error_rad": "rad",
                "x_m": "m",
                "force_n": "N",
                "work_j": "J",
                "disturbances": "1",
            },
            error="theta_error_rad",
            parameters={
                "cart_kg": CART_KG,
                "pole_kg": POLE_KG,
                "pole_m": config.pole_m,
                "pole_inertia_kg_m2": POLE_KG * config.pole_m**2 / 12,
                "gravity_m_s2": GRAVITY_M_S2,
                "force_n": config.force_n,
            },
        )

    @property
    def view(self) -> View:
        """The whole rail for a pole of 1 m; for a shorter one nearer, and following the cart."""
        length_m = self.config.pole_m
        x_m = self.truth[0] * max(0.0, 1.0 - length_m)
        eye_m = (x_m, -1.5 - 5.8 * length_m, 0.1 + 0.6 * length_m)
        return View(eye_m, (x_m, 0.0, 0.05 + 0.3 * length_m), fov_deg=19.0, width=640, height=288)

    def load(self) -> int:
        length_m = self.config.pole_m
        inertia = POLE_KG * length_m**2 / 12
        cart_m = 0.32 * min(1.0, max(0.3, length_m))  # only its looks: a short pole would vanish before a large cart
        values = {
            "cart_kg": CART_KG,
            "pole_kg": POLE_KG,
            "pole_m": length_m,
            "centre_m": length_m / 2,
            "inertia_kg_m2": inertia,
            "spin_inertia_kg_m2": inertia / 50,
            "width_m": min(0.05, max(0.01, length_m / 8)),
            "cart_m": cart_m,
            "cart_height_m": 0.44 * cart_m,
            "pin_m": 0.09 * cart_m,
            "rail_z_m": -0.02 - 0.22 * cart_m,
        }
        return self.load_urdf("cartpole_ladder.urdf.template", values)

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._fallen = False
        return 0.0, random.uniform(-START_RAD, START_RAD)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        slide, hinge = joints
        if abs(hinge[0]) > FALLEN_RAD or abs(slide[0]) > RAIL_END_M:
            self._fallen = True
        return [slide[0], slide[1], hinge[0], hinge[1]]

    def drive(self, values: list[float]) -> list[float]:
        return values[:]

    def show(self) -> Shown:
        x_m, _, theta_rad, _ = self.truth
        info = {
            "t_s": self.time_s,
            "theta_error_rad": abs(theta_rad),
            "x_m": x_m,
            "force_n": self.forces[0],
            "work_j": self.work_j,
            "disturbances": float(len(self._schedule.active)),
        }
        return self.sensed, float(not self._fallen), self._fallen, info
