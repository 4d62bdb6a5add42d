"""What edition 2025 of the algorithm sets otherwise, and what each one lacks.

Its values are those of danijar/dreamerv3 in 2026 for all environments; suites
and sizes are presets.
"""

import fnmatch
from collections.abc import Iterable
from typing import Any

from planet_tf2.configs.config_error import ConfigError

EDITIONS = (2023, 2025)

# Parameters that only one of them has, as patterns of their full names.
ONLY = {
    2023: (
        *("act", "norm", "encoder.act", "encoder.norm", "decoder.act"),
        *("decoder.norm", "*.minres", "decoder.cnn_sigmoid"),
        *("decoder.image_dist", "reward_head.dist", "critic.dist"),
        *("actor.dist", "actor.std", "actor.unimix_ratio", "actor.lr"),
        *("actor.eps", "*grad_clip", "critic.lr", "critic.eps"),
        *("critic.slow_target", "dyn_rec_depth", "dyn_m*_act", "dyn_std_act"),
        *("dyn_min_std", "initial", "imag_gradient*", "reward_EMA"),
        *("eval_state_mean", "reference_behavior", "expl_*", "disag_*"),
        *("prefill", "pretrain"),
    ),
    2025: (
        *("dyn_blocks", "dyn_layers", "img_layers", "obs_layers"),
        *("dyn_absolute", "dyn_outscale", "*.mults", "*.strided", "*.outer"),
        *("decoder.bspace", "decoder.loss_scale", "actor.loss_scale"),
        *("critic.loss_scale", "critic.replay_scale", "critic.slow_re*"),
        *("laprop.*", "retnorm.*", "valnorm.*", "advnorm.*", "contdisc"),
        *("ac_grads", "replay_context", "online_queue"),
    ),
}


def lacking(edition: int, names: Iterable[str]) -> list[str]:
    """Returns the parameters of the other edition only."""
    patterns = [x for other in ONLY if other != edition for x in ONLY[other]]
    return [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def refusal(edition: int, name: str, value: Any = None) -> str:
    """Says that a parameter, or its value, is of the other edition."""
    other = next(x for x in EDITIONS if x != edition)
    what = f"{name!r}" if value is None else f"{name!r}, {value!r},"
    preset = ", as a preset such as size12m does" if other == 2025 else ""
    return (
        f"Parameter {what} is of edition {other}, but the edition is "
        f"{edition}. Leave it out, or set edition: {other}{preset}."
    )


def check(params: Any) -> None:
    """Checks that sizes and schedules of 2025 fit.

    Raises:
      ConfigError: Some do not.
    """
    rate = params.laprop
    if rate.schedule != "const" and rate.anneal <= rate.warmup:
        raise ConfigError(
            f"Parameter 'laprop.schedule' is {rate.schedule!r}, so "
            "'laprop.anneal' must be above laprop.warmup, which is "
            f"{rate.warmup}, not {rate.anneal}."
        )
    if params.imag_last == 1:
        raise ConfigError(
            "Parameter 'imag_last' is 1, but the critic learns from pairs of "
            "time steps. Set 0, for all, or at least 2."
        )
    _check_sizes(params)


def _check_sizes(params: Any) -> None:
    if not params.dyn_discrete:
        raise ConfigError(
            "Parameter 'dyn_discrete' is 0, but the states of edition 2025 "
            "are discrete. Give it classes."
        )
    blocks = {
        "dyn_blocks": params.dyn_blocks,
        "decoder.bspace": params.decoder.bspace,
    }
    for name, number in blocks.items():
        if params.dyn_deter % number:
            raise ConfigError(
                f"Parameter {name!r} must divide dyn_deter, which is "
                f"{params.dyn_deter}, not {number}."
            )
    if not params.draw_images:
        return
    for name in ("encoder", "decoder"):
        coder = getattr(params, name)
        halved = len(coder.mults) - coder.outer
        side = params.image_size / 2**halved
        if not (3 <= side <= 16 and side.is_integer()):
            raise ConfigError(
                f"Parameter '{name}.mults' halves images of image_size "
                f"{params.image_size} {halved} times, to {side:g}. It must end "
                "at a whole number from 3 to 16: change its length."
            )


def size(units: int) -> dict[str, Any]:
    """Returns a size of the networks of 2025.

    All of it follows from the units of a hidden layer: 8 times as many in the
    deterministic state, a 16th for the channels of images and the classes of a
    stochastic variable.
    """
    coder = {
        "cnn_depth": units // 16,
        "kernel_size": 5,
        "mlp_layers": 3,
        "mlp_units": units,
    }
    return {
        "units": units,
        "dyn_hidden": units,
        "dyn_deter": 8 * units,
        "dyn_stoch": 32,
        "dyn_discrete": units // 16,
        "encoder": coder,
        "decoder": coder,
        "reward_head": {"layers": 1},
        "cont_head": {"layers": 1},
        "actor": {"layers": 3},
        "critic": {"layers": 3},
    }


_SIZE = size(1024)
_EVERYTHING = {"mlp_keys": ".*", "cnn_keys": ".*"}

# Of the edition of 2025, where they differ from those that are declared.
DEFAULTS: dict[str, Any] = {
    **_SIZE,
    "encoder": {**_SIZE["encoder"], **_EVERYTHING},
    "decoder": {**_SIZE["decoder"], **_EVERYTHING},
    "actor": {**_SIZE["actor"], "outscale": 0.01},
    "grad_heads": ["decoder", "reward", "cont", "repval"],
    "dyn_scale": 1.0,
    "opt": "laprop",
    "model_lr": 4e-5,
    "opt_eps": 1e-20,
    "discount": 1 - 1 / 333,
    "retnorm": {"impl": "perc", "limit": 1.0, "debias": False},
    "envs": 16,
    "train_ratio": 32.0,
    "dataset_size": 5_000_000,
    "action_repeat": 1,
}
