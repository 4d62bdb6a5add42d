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
    changes = {"tasks": ["cheetah_run"], **changes}
    given = resolve.parse_params(FLAGS.params)
    return resolve.resolve(FLAGS.config, "", {**changes, **given})


def precision(name: str) -> dict[str, str]:
    """Returns the parameter for the precision of a variant, if it names one."""
    return {"precision": name} if name else {}


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
