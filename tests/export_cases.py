"""Exported agents, and what reads them."""

import json
import pathlib

import gymnasium
import numpy as np
import onnxruntime
import tensorflow as tf
from dreamer_cases import resolve, space
from tf_fakes import make_agent, tiny_params

from planet_tf2.agents import dreamer
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.loading import LoadedRun

IMAGE = {"image": (32, 32, 3), "position": (3,)}


def planet(**changes):
    """Returns an agent that plans, and its parameters."""
    params = tiny_params(activation="elu", planner_iterations=2, **changes)
    return make_agent(params), params


def policy(action, shapes, **changes):
    """Returns an agent of DreamerV3, and its parameters."""
    tf.keras.utils.set_random_seed(0)
    params = resolve(tasks=["dummy"], **changes)
    return dreamer.make_agent(params, space(**shapes), action), params


AGENTS = {
    "cem": planet,
    "icem": lambda: planet(planner="icem"),
    "vectors": lambda: policy(
        gymnasium.spaces.Box(-1, 1, (2,)), {"position": (3,)}
    ),
    "choices": lambda: policy(gymnasium.spaces.Discrete(3), IMAGE),
}


def as_run(agent, params, path):
    """Returns an agent as if it had been loaded."""
    return LoadedRun(RunFolder(path), params, agent, "ckpt-1", 1, "finished")


class Exported:
    """Runs what was exported, by any format's own means."""

    def __init__(self, path):
        self._path = pathlib.Path(path)
        self.about = json.loads((self._path / "policy.json").read_text())
        self._call = getattr(self, f"_{self.about['format']}")()

    def inputs(self, name):
        return self.about["functions"][name]["inputs"]

    def __call__(self, name, **given):
        wanted = self.inputs(name)
        found = self._call(name, {k: given[k] for k in wanted})
        assert found.keys() == self.about["functions"][name]["outputs"].keys()
        return {k.removeprefix("next_"): np.array(x) for k, x in found.items()}

    def _saved_model(self):
        self._loaded = tf.saved_model.load(self._path)

        def call(name, given):
            given = {k: tf.constant(x) for k, x in given.items()}
            return self._loaded.signatures[name](**given)

        return call

    def _tflite(self):
        model = tf.lite.Interpreter(str(self._path / "policy.tflite"))

        def call(name, given):
            return model.get_signature_runner(name)(**given)

        return call

    def _onnx(self):
        def call(name, given):
            file = str(self._path / f"{name}.onnx")
            session = onnxruntime.InferenceSession(file)
            names = [x.name for x in session.get_outputs()]
            found = session.run(None, given)
            return dict(zip(names, found, strict=True))

        return call
