"""Rewards of control suite tasks, for many simulated states at once.

The suite computes the reward of the one state that its physics is in. A planner
that imagines with the simulator asks for millions of them, so the formulas of
the usual tasks are repeated here for arrays. Sizes and places come from the
model. The tests hold each formula against the suite's own.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from dm_control.utils.rewards import tolerance


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Simulated states, arrays with any leading axes.

    Attributes:
      model: MuJoCo's model, with the changes that the episode made to it.
      position: generalised positions `[..., nq]`.
      velocity: generalised velocities `[..., nv]`.
      control: what the actuators were set to before the step, `[..., nu]`.
      sensors: values of the sensors in these states, `[..., nsensordata]`.
    """

    model: Any
    position: np.ndarray
    velocity: np.ndarray
    control: np.ndarray
    sensors: np.ndarray

    def joint(self, name: str) -> np.ndarray:
        """Position of a joint of one dimension, `[...]`."""
        return self.position[..., self.model.joint(name).qposadr[0]]

    def joint_velocity(self, name: str) -> np.ndarray:
        """Velocity of a joint of one dimension, `[...]`."""
        return self.velocity[..., self.model.joint(name).dofadr[0]]

    def sensor(self, name: str) -> np.ndarray:
        """First value of a sensor, `[...]`."""
        return self.sensors[..., self.model.sensor(name).adr[0]]


def cartpole(simulated: Simulated) -> np.ndarray:
    """Cartpole, balance and swingup: pole up, cart centred, all of it calm."""
    upright = (np.cos(simulated.joint("hinge_1")) + 1) / 2
    centered = (1 + tolerance(simulated.joint("slider"), margin=2)) / 2
    small_control = tolerance(
        simulated.control[..., 0],
        margin=1,
        value_at_margin=0,
        sigmoid="quadratic",
    )
    speed = simulated.joint_velocity("hinge_1")
    small_velocity = (1 + tolerance(speed, margin=5)) / 2
    return upright * (4 + small_control) / 5 * small_velocity * centered


def reacher(simulated: Simulated) -> np.ndarray:
    """Reacher: the finger's tip is in the target."""
    model = simulated.model
    shoulder = simulated.joint("shoulder")
    both = shoulder + simulated.joint("wrist")
    upper, lower = (model.body(name).pos[0] for name in ("hand", "finger"))
    x = upper * np.cos(shoulder) + lower * np.cos(both)
    y = upper * np.sin(shoulder) + lower * np.sin(both)
    target = model.geom("target").pos
    distance = np.hypot(target[0] - x, target[1] - y)
    radii = model.geom("target").size[0] + model.geom("finger").size[0]
    return np.asarray(tolerance(distance, (0, radii)))


def cheetah(simulated: Simulated) -> np.ndarray:
    """Cheetah: speed, up to 10 metres per second."""
    return tolerance(
        simulated.sensor("torso_subtreelinvel"),
        bounds=(10, float("inf")),
        margin=10,
        value_at_margin=0,
        sigmoid="linear",
    )


def finger_spin(simulated: Simulated) -> np.ndarray:
    """Finger, spin: the hinge turns fast enough, in one direction."""
    return (simulated.joint_velocity("hinge") <= -15).astype(np.float64)


def ball_in_cup(simulated: Simulated) -> np.ndarray:
    """Ball in cup: the whole ball is in the target."""
    model = simulated.model
    target = model.site("target")
    inside = np.ones(simulated.position.shape[:-1], bool)
    for axis, name in ((0, "x"), (2, "z")):
        cup = model.body("cup").pos[axis] + simulated.joint(f"cup_{name}")
        ball = model.body("ball").pos[axis] + simulated.joint(f"ball_{name}")
        room = target.size[axis] - model.geom("ball").size[0]
        inside &= np.abs(cup + target.pos[axis] - ball) < room
    return inside.astype(np.float64)


def walker_walk(simulated: Simulated) -> np.ndarray:
    """Walker, walk: upright, high enough, and fast enough."""
    height = simulated.model.body("torso").pos[2] + simulated.joint("rootz")
    standing = tolerance(height, bounds=(1.2, float("inf")), margin=0.6)
    upright = (1 + np.cos(simulated.joint("rooty"))) / 2
    moving = tolerance(
        simulated.sensor("torso_subtreelinvel"),
        bounds=(1, float("inf")),
        margin=0.5,
        value_at_margin=0.5,
        sigmoid="linear",
    )
    return (3 * standing + upright) / 4 * (5 * moving + 1) / 6


REWARDS: dict[tuple[str, str], Callable[[Simulated], np.ndarray]] = {
    ("cartpole", "balance"): cartpole,
    ("cartpole", "swingup"): cartpole,
    ("reacher", "easy"): reacher,
    ("cheetah", "run"): cheetah,
    ("finger", "spin"): finger_spin,
    ("ball_in_cup", "catch"): ball_in_cup,
    ("walker", "walk"): walker_walk,
}

# Those whose rewards look at sensors; see `BatchSimulator`.
USES_SENSORS = {("cheetah", "run"), ("walker", "walk")}
