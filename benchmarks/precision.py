"""Does the model learn as well in another precision?

Trains on random episodes of a task, once per seed and precision, with the same
weights to start from, the same batches and the same noise. Compares the losses
on episodes that were held back. The constants of the normal distribution are
left out: the loss is half the squared error.

With `--keep FILE` a comparison that was stopped goes on with the next training.
"""

import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import cases
import harness
import numpy as np
from absl import flags

from planet_tf2.agents.planet import build
from planet_tf2.configs.environments import open_env
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.episode_cache import EpisodeCache
from planet_tf2.data.loader import sequence_batches
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_list("precisions", ["float32", "bfloat16"], "What to compare.")
flags.DEFINE_integer("updates", 1000, "Updates of every training.", 1)
flags.DEFINE_integer("seeds", 3, "Trainings in every precision.", 1)
flags.DEFINE_integer("train_episodes", 12, "Episodes to learn from.", 1)
flags.DEFINE_integer("test_episodes", 4, "Episodes to test with.", 1)
flags.DEFINE_integer("test_batches", 8, "Batches to test with.", 1)
flags.DEFINE_string(
    "keep",
    None,
    "File for the losses of every training, a line each. Those that it holds "
    "already, of the same setting, are not run again.",
)

_LOSSES = ("image", "reward", "divergence")


def collect(folder: pathlib.Path) -> None:
    """Records random episodes in `folder/train` and `folder/test`."""
    params = cases.params()
    amounts = {"train": FLAGS.train_episodes, "test": FLAGS.test_episodes}
    for number, (split, amount) in enumerate(amounts.items()):
        env = open_env(
            params["tasks"][0], params, record_dir=str(folder / split)
        )
        with env:
            random_episodes(env, amount, (7, number))


def batches(folder: pathlib.Path, numbers: tuple[int, ...]) -> Iterator[dict]:
    shape = cases.params()["batch_shape"]
    cache = EpisodeCache(folder, shape[1], ("image", "action", "reward"))
    return sequence_batches(cache, shape, "cache", seed=numbers)


def constant(name: str) -> float:
    pixels = cases.params()["image_size"] ** 2
    entries = {"image": pixels * 3, "reward": 1, "divergence": 0}[name]
    return 0.5 * np.log(2 * np.pi) * entries


def train(folder: pathlib.Path, seed: int, precision: str) -> dict[str, float]:
    """Trains a model and returns its losses on the test episodes."""
    params = cases.params(precision=precision)
    source = batches(folder / "train", (seed, 1))
    batch = next(source)
    model = build.make_model(params, batch["action"].shape[-1], seed)
    learner = build.make_learner(params, model)
    start = time.perf_counter()
    for update in range(FLAGS.updates):
        values = learner.train_step(batch, seeds.derive(seed, update))
        batch = next(source)
        if (update + 1) % 100 == 0:
            shown = {k: float(values[k]) - constant(k) for k in _LOSSES}
            shown["gradient_norm"] = float(values["gradient_norm"])
            shown["seconds"] = time.perf_counter() - start
            text = " ".join(f"{k} {v:.4g}" for k, v in shown.items())
            print(precision, seed, update + 1, text, file=sys.stderr)
    tests = batches(folder / "test", (7,))
    results = [
        learner.test_step(next(tests), seeds.derive(7, number))
        for number in range(FLAGS.test_batches)
    ]
    return {
        name: float(np.mean([r[name] for r in results])) - constant(name)
        for name in _LOSSES
    }


def setting(seed: int, precision: str) -> dict[str, Any]:
    """Returns all that decides the losses of a training, as JSON keeps it."""
    sizes = {
        name: FLAGS[name].value
        for name in (
            "updates",
            "train_episodes",
            "test_episodes",
            "test_batches",
        )
    }
    params = cases.params(precision=precision)
    return json.loads(
        json.dumps({"seed": seed, **sizes, "params": params}, default=str)
    )


def kept() -> list[dict[str, Any]]:
    """Returns the trainings of `--keep`."""
    path = pathlib.Path(FLAGS.keep) if FLAGS.keep else None
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def train_once(
    folder: pathlib.Path, seed: int, precision: str
) -> dict[str, float]:
    """Like `train`, unless `--keep` knows the losses already."""
    this = setting(seed, precision)
    for training in kept():
        if training["setting"] == this:
            return training["losses"]
    losses = train(folder, seed, precision)
    if FLAGS.keep:
        with open(FLAGS.keep, "a") as file:
            print(
                json.dumps({"setting": this, "losses": losses}),
                file=file,
            )
    return losses


def run() -> harness.Result:
    devices.prepare()
    results: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        collect(folder)
        for seed in range(FLAGS.seeds):
            for precision in FLAGS.precisions:
                losses = train_once(folder, seed, precision)
                results.setdefault(precision, []).append(losses)
    return report(results)


def report(results: dict[str, list[dict[str, float]]]) -> harness.Result:
    first = results[FLAGS.precisions[0]]
    rows: list[tuple[Any, ...]] = []
    figures = {}
    for precision, trainings in results.items():
        for name in _LOSSES:
            values = [losses[name] for losses in trainings]
            mean = statistics.mean(values)
            base = statistics.mean(losses[name] for losses in first)
            # A divergence below the free nats is 0.
            ratio = mean / base if base else float("nan")
            rows.append(
                (precision, name, mean, min(values), max(values), ratio)
            )
            figures[f"ratio/{precision}/{name}"] = ratio
    params = cases.params()
    title = (
        f"Losses after {FLAGS.updates} updates on {params['tasks'][0]}, batch "
        f"{params['batch_shape']}, cnn_depth {params['cnn_depth']}, "
        f"{FLAGS.seeds} seeds"
    )
    headers = ("precision", "loss", "mean", "min", "max", "mean / first")
    return harness.Result(title, headers, rows, figures)


if __name__ == "__main__":
    harness.main(run)
