"""The case that is timed: by default the paper's sizes and 6 actions."""

import os
from typing import Any

import harness
import numpy as np
from absl import flags

from planet_tf2.configs import assemble, resolve
from planet_tf2.tools import weights
from planet_tf2.training.define_model import WorldModel

ACTION_SIZE = 6

FLAGS = flags.FLAGS

flags.DEFINE_string("config", "default", "Preset of planet_tf2.")
flags.DEFINE_string("params", "", "Parameters of planet_tf2, as YAML.")
flags.DEFINE_list(
    "variants",
    ["planet_tf2", "plain_keras", "pytorch"],
    "What to time: planet_tf2 or planet_tf2:PRECISION, plain_keras, pytorch.",
)


def params(**changes: Any) -> dict[str, Any]:
    """Returns the parameters that the flags say, with changes."""
    given = resolve.parse_params(FLAGS.params)
    try:
        return resolve.resolve(
            FLAGS.config, "", {"tasks": ["cheetah_run"], **given, **changes}
        )
    except resolve.ConfigError as error:
        raise harness.Missing(error) from None


def split_variant(name: str) -> tuple[str, dict[str, str]]:
    """Splits what is to be timed into its kind and changes of parameters.

    Raises:
      harness.Missing: there is no such variant, or not of these sizes.
    """
    kind, _, precision = name.partition(":")
    if kind == "planet_tf2":
        return kind, {"precision": precision} if precision else {}
    if name not in ("plain_keras", "pytorch"):
        raise harness.Missing(
            f"There is no variant {name!r}. Choose planet_tf2, planet_tf2:"
            "bfloat16, planet_tf2:float16, plain_keras, pytorch."
        )
    ours, theirs = params(), resolve.resolve("default")
    other = {key for key in theirs if ours[key] != theirs[key]}
    other -= {"tasks", "precision"}
    if other:
        shown = ", ".join(sorted(other)[:4]) + ", ..." * (len(other) > 4)
        raise harness.Missing(
            f"{name} has the sizes of the preset `default`, but --config or "
            f"--params change others ({shown}). Choose --variants=planet_tf2."
        )
    return kind, {}


def batch() -> dict[str, np.ndarray]:
    """Returns a batch of random sequences, as it is stored."""
    size, length = params()["batch_shape"]
    pixels = params()["image_size"]
    random = np.random.default_rng(0)
    action = random.uniform(-1, 1, (size, length, ACTION_SIZE))
    reward = random.uniform(0, 1, (size, length))
    return {
        "image": random.integers(
            0, 256, (size, length, pixels, pixels, 3), np.uint8
        ),
        "action": action.astype(np.float32),
        "reward": reward.astype(np.float32),
    }


def model(**changes: Any) -> WorldModel:
    """Makes the world model."""
    return assemble.make_model(params(**changes), ACTION_SIZE)


def plain_keras(of: WorldModel) -> Any:
    """Makes the plain formulation, with the weights of a model."""
    from baselines.plain_keras import PlainKeras

    return PlainKeras(ACTION_SIZE, weights.save_weights(of))


def pytorch() -> Any:
    """Makes the program in PyTorch, on all cores."""
    try:
        import torch
        from baselines.pytorch import PyTorch
    except ImportError:
        raise harness.Missing(
            "PyTorch is not installed. `make bench` installs it, or choose "
            "other --variants."
        ) from None
    torch.set_num_threads(os.cpu_count() or 1)
    return PyTorch(ACTION_SIZE)
