"""What do the sizes of a preset save in time, and cost in what is learned?

Times an update and a plan with each set of sizes in turn, then trains each for
as many updates as fit into the same time, on random episodes of the same
actions, and compares the losses on episodes that were held back. A loss of 100%
is that of a model that paints the mean of all frames, or names the mean reward.

    python benchmarks/preset_sizes.py --config cpu --params "{tasks: [NAME]}"
"""

import pathlib
import tempfile
from typing import Any

import cases
import harness
import numpy as np
import tensorflow as tf
from absl import flags

from planet_tf2.agents.planet import build
from planet_tf2.agents.planet.world_model import preprocess
from planet_tf2.configs.environments import open_env
from planet_tf2.configs.params_text import parse_params
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.episode_cache import EpisodeCache
from planet_tf2.data.loader import sequence_batches
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_multi_string(
    "sizes",
    [
        "{}",
        "{cnn_depth: 8}",
        "{image_size: 64, image_loss_scale: 12.5}",
        "{batch_shape: [8, 20]}",
        "{batch_shape: [32, 20]}",
        "{model_size: 200, num_units: 200}",
        "{planner_horizon: 12}",
        "{planner_amount: 300, planner_topk: 30}",
        "{planner_amount: 1000, planner_topk: 100, planner_iterations: 10}",
    ],
    "Parameters to compare, each a change to --config and --params.",
)
flags.DEFINE_integer("seconds", 120, "Training time of each; 0: only time.", 0)
flags.DEFINE_integer("train_episodes", 20, "Episodes to learn from.", 1)
flags.DEFINE_integer("test_episodes", 5, "Episodes to test with.", 1)
flags.DEFINE_integer("test_batches", 16, "Batches to test with.", 1)


class Case:
    """A set of sizes, with a model that learns and plans."""

    def __init__(self, text: str, folder: pathlib.Path):
        self.params = params = cases.params(**parse_params(text))
        # Sets with images of one size share their episodes.
        self._folder = folder / str(params["image_size"])
        if not self._folder.exists():
            collect(self._folder, params)
        self._batches = self._read("train")
        action_size = next(self._batches)["action"].shape[-1]
        self._model = build.make_model(params, action_size)
        self._learner = build.make_learner(params, self._model)
        self._plan = tf.function(
            build.make_planner(params, self._model, action_size),
            autograph=False,
        )
        self._state = self._model.cell.zero_state(1)
        self._updates = 0

    def update(self) -> None:
        """Takes one training step."""
        self._updates += 1
        seed = seeds.derive(0, self._updates)
        values = self._learner.train_step(next(self._batches), seed)
        values["total"].numpy()

    def plan(self) -> None:
        """Plans once."""
        self._plan(self._state, seeds.derive(0)).numpy()

    def train(self, updates: int) -> int:
        """Takes training steps; returns the number of all of them so far."""
        for _ in range(updates):
            self.update()
        return self._updates

    def errors(self) -> dict[str, float]:
        """Returns the losses, each beside that of a constant answer."""
        tests = self._read("test")
        batches = [next(tests) for _ in range(FLAGS.test_batches)]
        results = [
            self._learner.test_step(batch, seeds.derive(7, number))
            for number, batch in enumerate(batches)
        ]
        still = {
            "image": preprocess(
                np.concatenate([b["image"] for b in batches]),
                self.params["image_bits"],
                seeds.derive(7),
            ).numpy(),
            "reward": np.concatenate([b["reward"] for b in batches]),
        }
        found = {}
        for name, values in still.items():
            entries = np.prod(values.shape[2:])
            loss = np.mean([result[name] for result in results])
            loss -= 0.5 * np.log(2 * np.pi) * entries
            found[name] = loss / (0.5 * values.var((0, 1)).sum())
        return found

    def _read(self, split: str) -> Any:
        shape = self.params["batch_shape"]
        keys = ("image", "action", "reward")
        cache = EpisodeCache(self._folder / split, shape[1], keys)
        return sequence_batches(cache, shape, "cache", seed=(1, 1))


def collect(folder: pathlib.Path, params: dict[str, Any]) -> None:
    """Records random episodes in `folder/train` and `folder/test`."""
    amounts = {"train": FLAGS.train_episodes, "test": FLAGS.test_episodes}
    for number, (split, amount) in enumerate(amounts.items()):
        with open_env(
            params["tasks"][0], params, record_dir=str(folder / split)
        ) as env:
            random_episodes(env, amount, (7, number))


def run() -> harness.Result:
    devices.prepare()
    with tempfile.TemporaryDirectory() as name:
        made = {text: Case(text, pathlib.Path(name)) for text in FLAGS.sizes}
        updates = harness.time_in_turn({t: c.update for t, c in made.items()})
        plans = harness.time_in_turn({t: c.plan for t, c in made.items()})
        rows, figures = [], {}
        first = FLAGS.sizes[0]
        for text, case in made.items():
            # By the times that were taken in turn: the machine may be slower
            # while one of them trains than while another does.
            count = case.train(int(FLAGS.seconds / np.median(updates[text])))
            errors = case.errors() if FLAGS.seconds else {}
            row = {
                "update": np.median(updates[text]) / np.median(updates[first]),
                "plan": np.median(plans[text]) / np.median(plans[first]),
                "updates": count,
                **errors,
            }
            rows.append((text, *row.values()))
            figures.update({f"{k}/{text}": float(v) for k, v in row.items()})
    headers = ("sizes", "update / first", "plan / first", "updates", "image")
    return harness.Result(
        f"Sizes of {FLAGS.config}, each trained for {FLAGS.seconds} s",
        (*headers, "reward"),
        rows,
        figures,
        ("Losses as shares of what a constant answer loses.",),
        FLAGS.rounds,
    )


if __name__ == "__main__":
    harness.main(run)
