"""Numbers of parameters, by size, against those of DreamerV3 2025."""

import collections
import math
from unittest import mock

import keras
import numpy as np
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.agents.dreamer.edition_2025 import build
from planet_tf2.agents.dreamer.edition_2025.learner import trained
from planet_tf2.agents.dreamer.edition_2025.world_model import WorldModel

IMAGE = spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)})
ACTIONS = {
    "cont6": spaces.Box(-1.0, 1.0, (6,)),
    "disc17": spaces.Discrete(17),
}


def check_counts(golden, run):
    """Of what the optimizer trains, by presets; nothing is computed."""
    del run
    columns = str(golden.meta("columns")).split()
    for size in golden.tags():
        for name, expected in golden.group(f"out/{size}").items():
            found = count(size, ACTIONS[name])
            found["total"] = sum(found.values())
            assert found == dict(zip(columns, expected, strict=True)), size


def count(size, action_space):
    """Returns how many numbers the networks have, none of which is made."""
    params = agents.resolve(size, agent="dreamer")
    with (
        keras.StatelessScope(initialize_variables=False),
        mock.patch.object(build, "SlowCopy"),  # It would copy numbers.
    ):
        model = WorldModel(params, IMAGE, action_space)
        behavior = build.make_behavior(params, model, action_space)
    found = collections.Counter()
    for name, variable in trained(model, behavior).items():
        found[name.partition("/")[0]] += math.prod(variable.shape)
    return found


CHECKS = {"counts": check_counts}
