"""What can be set of Dreamer: schedule, replay, environments, and the rest.

What is learned is in `learning_parameters.py`, what is nested in `settings.py`.

Names and defaults are those of dreamerv3-torch, wherever that has the
parameter. A *step* is one of the simulator, a *decision* is one of the agent:
`action_repeat` steps.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from planet_tf2.agents.dreamer import settings
from planet_tf2.agents.dreamer.learning_parameters import (
    Behavior,
    Exploration,
    Optimizer,
    WorldModel,
)
from planet_tf2.configs import tasks
from planet_tf2.configs.common_parameters import CommonParameters, Group
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    Integer,
    Name,
    Natural,
    Number,
    Positive,
    Switch,
)
from planet_tf2.configs.step_schedule import StepSchedule

# What helps where there are no images.
_BLIND = (
    "To learn from its vectors in place of images, choose the preset "
    "dmc_proprio, or encoder.cnn_keys and decoder.cnn_keys '$^', and their "
    "mlp_keys '.*'."
)


class Run(Group):
    """How long, and what is kept."""

    GROUP = "Schedule"

    steps: Positive = 1_000_000
    """Steps of training, of all environments together."""
    eval_every: Positive = 10_000
    """Steps of training between evaluations."""
    eval_episode_num: Natural = 10
    """Episodes of an evaluation. 0 means none."""
    log_every: Positive = 10_000
    """Steps between lines of the log."""
    envs: Positive = 1
    """Environments that are acted in at the same time, each in a process of its
    own."""
    prefill: Positive = 2500
    """Random decisions to start from."""
    pretrain: Natural = 100
    """Updates before the agent first acts."""
    train_ratio: Annotated[Number, Field(gt=0)] = 512.0
    """Time steps that are learned from for each decision: there is an update
    per `batch_size * batch_length / train_ratio` decisions."""
    offline_traindir: Name = ""
    """Folder of episodes to learn from without acting, in place of collecting
    any. No simulator is needed then."""
    offline_evaldir: Name = ""
    """Folder of episodes to evaluate the model on, with `offline_traindir`."""
    video_pred_log: Switch = True
    """Whether videos of predictions are logged at evaluations."""


class Replay(Group):
    """What batches are made of."""

    GROUP = "Data"

    batch_size: Positive = 16
    """Sequences of a batch."""
    batch_length: Annotated[Positive, Field(ge=2)] = 64
    """Time steps of a sequence. A sequence goes on with the next episode where
    one ends."""
    dataset_size: Positive = 1_000_000
    """Decisions to draw from, the latest ones. Older episodes stay on disk."""
    dataset_bytes: Positive | None = None
    """Memory in bytes for them. Unbounded by default."""


class Environment(Group):
    """What is special about environments."""

    GROUP = "Tasks"

    camera_id: Annotated[Integer, Field(ge=-1)] | None = None
    """Camera that the images are taken with, as the simulator counts them; -1
    is the free camera of MuJoCo. None means the usual one of each task."""
    draw_images: Switch | None = None
    """Whether to draw images. None means that they are drawn where encoder or
    decoder choose `image`. Videos need them."""
    all_observations: Switch = True
    """Store all observations, also those of more than 1,000 numbers, such as
    images of a second camera."""
    time_limit: Positive | None = None
    """Steps after which an episode is cut off. None means the usual number of
    each task."""
    grayscale: Switch = False
    """Whether images of Atari games are grey."""
    atari: settings.Atari = settings.Atari()
    """Settings of Atari games."""
    minecraft: settings.Minecraft = settings.Minecraft()
    """Settings of Minecraft."""


class DreamerParameters(
    Run,
    Replay,
    Environment,
    WorldModel,
    Optimizer,
    Behavior,
    Exploration,
    CommonParameters,
):
    """The parameters of Dreamer, and those of all agents."""

    CHANGEABLE: ClassVar = CommonParameters.CHANGEABLE | {"video_pred_log"}
    GROUPS: ClassVar = (
        "Schedule",
        "Data",
        "Tasks",
        "World model",
        "Behavior",
        "Exploration",
        "Optimizer",
        "Networks",
        "Repeatability",
    )
    # Those of dreamerv3-torch that do nothing there, or have no use here.
    DEPRECATED: ClassVar = (
        "actor.temp",
        "compile",
        "debug",
        "device",
        "parallel",
        "reset_every",
    )
    DERIVED: ClassVar = ("batch_shape", "max_steps")
    LENGTH: ClassVar = "steps"
    # What no similar name tells.
    MEANT: ClassVar = {
        "deterministic_run": "deterministic",
        "layers": "actor.layers",
        "lr": "model_lr",
        "size": "image_size",
        "step": "steps",
        "stickey": "atari.sticky",
        "task": "tasks",
        "traindir": "offline_traindir",
        "evaldir": "offline_evaldir",
        "value": "critic",
    }
    PAGE: ClassVar = "docs/dreamer_parameters.md"

    def derive(self) -> dict[str, Any]:
        """Returns the shape of batches, and how many sequences a run takes."""
        shape = [self.batch_size, self.batch_length]
        length = schedule(dict(self)).max_steps(self.batch_size)
        return {"batch_shape": shape, "max_steps": length}

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for name in ("encoder", "decoder"):
            coder = getattr(self, name)
            for key in ("mlp_keys", "cnn_keys"):
                _check_pattern(f"{name}.{key}", getattr(coder, key))
            if self.image_size % coder.minres:
                raise ConfigError(
                    f"Parameter '{name}.minres' must divide image_size, which "
                    f"is {self.image_size}, by a power of 2, not "
                    f"{coder.minres}."
                )
        return self

    @model_validator(mode="after")
    def _complete_images(self) -> Self:
        if self.draw_images is None:
            chosen = self.encoder.cnn_keys, self.decoder.cnn_keys
            self.draw_images = any(re.match(x, "image") for x in chosen)
        return self

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        if self.offline_evaldir and not self.offline_traindir:
            raise ConfigError(
                f"Parameter 'offline_evaldir' is {self.offline_evaldir!r}, but "
                "without offline_traindir evaluations play episodes of their "
                "own. Set both, or neither."
            )
        return self

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        known = {"decoder", "reward", "cont"}
        if not set(self.grad_heads) <= known:
            raise ConfigError(
                f"Parameter 'grad_heads' must name some of {sorted(known)}, "
                f"not {self.grad_heads}."
            )
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch_size % self.num_gpus:
            raise ConfigError(
                f"A batch has {self.batch_size} sequences (batch_size), which "
                f"cannot be shared evenly by num_gpus: {self.num_gpus}."
            )
        offset = self.disag_offset
        ahead = self.expl_behavior == "plan2explore"
        if ahead and offset >= self.batch_length:
            raise ConfigError(
                "Parameter 'disag_offset' must be below batch_length, which "
                f"is {self.batch_length}, not {offset}."
            )
        return self

    @model_validator(mode="after")
    def _check_actor(self) -> Self:
        if self.actor.min_std > self.actor.max_std:
            raise ConfigError(
                "Parameter 'actor.min_std' must be at most actor.max_std, "
                f"which is {self.actor.max_std}, not {self.actor.min_std}."
            )
        return self


def schedule(params: Mapping[str, Any]) -> StepSchedule:
    """Returns when to act, to learn and to evaluate.

    What parameters count in steps is rounded to whole decisions and updates.
    """
    size = params["batch_size"] * params["batch_length"]
    per_update = Fraction(size) / Fraction(params["train_ratio"])
    task = tasks.get_task(params["tasks"][0])
    repeat = params["action_repeat"] or task.action_repeat
    steps_per_update = per_update * repeat
    explore_until = params["expl_until"]
    train_updates = max(1, int(params["eval_every"] / steps_per_update))
    return StepSchedule(
        envs=params["envs"],
        prefill=params["prefill"],
        pretrain=params["pretrain"],
        decisions_per_update=per_update,
        train_updates=train_updates,
        epochs=math.ceil(params["steps"] / params["eval_every"]),
        eval_episodes=params["eval_episode_num"],
        checkpoint_updates=max(1, min(500, train_updates // 10)),
        log_updates=max(1, int(params["log_every"] / steps_per_update)),
        predictions=params["video_pred_log"],
        dataset_size=params["dataset_size"],
        max_bytes=params["dataset_bytes"],
        explore_until=explore_until // repeat if explore_until else None,
        offline_train=params["offline_traindir"],
        offline_test=params["offline_evaldir"],
    )


def environment_arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what environments are told beside parameters.

    Episodes may be shorter than the sequences of a batch, which go on with the
    next one.
    """
    del params
    return {"min_length": 1, "blind": _BLIND}


def _check_pattern(name: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"Parameter {name!r} must be a regular expression, not "
            f"{pattern!r}: {error}."
        ) from None


Parameters = DreamerParameters  # What it is called in every agent's package.
