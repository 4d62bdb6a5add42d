"""What can be set of Dreamer: all of it, how it fits, and what follows.

Schedule, replay and environments are in `run_parameters.py`, what is learned in
`learning_parameters.py`, what is nested in `settings.py`.

Names and defaults are those of dreamerv3-torch, wherever that has the
parameter; those of edition 2025 are in `editions.py`. A *step* is one of the
simulator, a *decision* is one of the agent: `action_repeat` steps.
"""

import functools
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Self

from pydantic import model_validator

from planet_tf2.agents.dreamer import editions
from planet_tf2.agents.dreamer.learning_parameters import (
    Behavior,
    Exploration,
    Optimizer,
    WorldModel,
)
from planet_tf2.agents.dreamer.run_parameters import (
    Algorithm,
    Environment,
    Replay,
    Run,
)
from planet_tf2.configs import tasks
from planet_tf2.configs.common_parameters import (
    CommonParameters,
    StoredEpisodes,
)
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.resolve import flat, merge
from planet_tf2.configs.step_schedule import StepSchedule

# What helps where there are no images.
_BLIND = (
    "To learn from its vectors in place of images, choose the preset "
    "dmc_proprio{}, or encoder.cnn_keys and decoder.cnn_keys '$^', and their "
    "mlp_keys '.*'."
)


class DreamerParameters(
    Algorithm,
    Run,
    Replay,
    Environment,
    WorldModel,
    Optimizer,
    Behavior,
    Exploration,
    StoredEpisodes,
    CommonParameters,
):
    """The parameters of Dreamer, and those of all agents."""

    CHANGEABLE: ClassVar = CommonParameters.CHANGEABLE | {"video_pred_log"}
    GROUPS: ClassVar = (
        "Algorithm",
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
    # What no similar name tells, also of danijar/dreamerv3.
    MEANT: ClassVar = {
        "actent": "actor.entropy",
        "agc": "laprop.agc",
        "blocks": "dyn_blocks",
        "classes": "dyn_discrete",
        "deter": "dyn_deter",
        "deterministic_run": "deterministic",
        "free_nats": "kl_free",
        "hidden": "dyn_hidden",
        "horizon": "discount",
        "imag_length": "imag_horizon",
        "lam": "discount_lambda",
        "repval_grad": "grad_heads",
        "reward_grad": "grad_heads",
        "slowreg": "critic.slow_reg",
        "slowtar": "critic.slow_returns",
        "warmup": "laprop.warmup",
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

    @classmethod
    def explain(cls, name: str) -> str:
        old, new = cls.columns().values()
        text = super().explain(name)
        if name not in old or name not in new:
            return f"{text} Of edition {2025 if name in new else 2023} only."
        if old[name] != new[name]:
            return f"{text} {new[name]} in edition 2025."
        return text

    @classmethod
    @functools.cache
    def columns(cls) -> dict[str, dict[str, Any]]:
        """Returns the defaults of each edition, of what it has."""
        old = {name: field.default for name, field in cls.known().items()}
        new = {**old, **flat(cls, editions.DEFAULTS), "edition": 2025}
        found = {}
        for edition, defaults in ((2023, old), (2025, new)):
            names = {*defaults} - {*editions.lacking(edition, defaults)}
            found[str(edition)] = {name: defaults[name] for name in names}
        return found

    @model_validator(mode="before")
    @classmethod
    def _complete_edition(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("edition") in (2025, "2025"):
            return merge(cls, editions.DEFAULTS, given)
        return given

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for name in ("encoder", "decoder"):
            coder = getattr(self, name)
            for key in ("mlp_keys", "cnn_keys"):
                _check_pattern(f"{name}.{key}", getattr(coder, key))
            smallest = self.image_size / coder.minres
            if self.edition == 2023 and not math.log2(smallest).is_integer():
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
    def _check_edition(self) -> Self:
        params = flat(type(self), self.model_dump())
        for name in editions.lacking(self.edition, params):
            if params[name] != self.field(name).default:
                raise ConfigError(editions.refusal(self.edition, name))
        if (self.opt == "laprop") != (self.edition == 2025):
            raise ConfigError(editions.refusal(self.edition, "opt", self.opt))
        if self.edition == 2025:
            editions.check(self)
        return self

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        known = {"decoder", "reward", "cont"}
        if self.edition == 2025:
            known.add("repval")
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
    if params["edition"] == 2025:
        begin = {
            "prefill": 0,
            "pretrain": 0,
            "sequence": params["replay_context"] + params["batch_length"],
            "first_items": size,
            "online_queue": params["online_queue"],
        }
        longest = 2000  # Checkpoints hold all latent states of the replay.
    else:
        begin = {name: params[name] for name in ("prefill", "pretrain")}
        longest = 500
    return StepSchedule(
        envs=params["envs"],
        **begin,
        decisions_per_update=per_update,
        train_updates=train_updates,
        epochs=math.ceil(params["steps"] / params["eval_every"]),
        eval_episodes=params["eval_episode_num"],
        checkpoint_updates=max(1, min(longest, train_updates // 10)),
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
    suffix = "_2025" if params.get("edition") == 2025 else ""
    return {"min_length": 1, "blind": _BLIND.format(suffix)}


def _check_pattern(name: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"Parameter {name!r} must be a regular expression, not "
            f"{pattern!r}: {error}."
        ) from None


Parameters = DreamerParameters  # What it is called in every agent's package.
