"""The case that is timed: by default the paper's sizes and 6 actions."""

from typing import Any

import harness
import numpy as np
from absl import flags

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import parse_params

ACTION_SIZE = 6

FLAGS = flags.FLAGS

flags.DEFINE_string("config", "default", "Preset of planet_tf2.")
flags.DEFINE_string("params", "", "Parameters of planet_tf2, as YAML.")


def params(
    task: str = "cheetah_run", agent: str = agents.DEFAULT, **changes: Any
) -> dict[str, Any]:
    """Returns the parameters that the flags say, with changes.

    Args:
      task: unless the flags name one; that of the preset if empty.
      agent: whose parameters.
      **changes: parameters that win over the flags.

    Raises:
      harness.Missing: they are wrong, or not for a benchmark.
    """
    try:
        given = {"tasks": [task]} if task else {}
        given |= {**parse_params(FLAGS.params), **changes}
        found = agents.resolve(FLAGS.config, "", given, agent)
    except ConfigError as error:
        raise harness.Missing(error) from None
    if found["num_gpus"] > 1:
        raise harness.Missing("Benchmarks use one device: leave out num_gpus.")
    return found


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


def model(**changes: Any) -> Any:
    """Makes the world model."""
    from planet_tf2.agents.planet import build

    return build.make_model(params(**changes), ACTION_SIZE)
