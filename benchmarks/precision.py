"""Does the model learn as well in another precision?

Trains on random episodes of a task, once per seed and precision, with the same
weights to start from, the same batches and the same noise. Compares the losses
on episodes that were held back. The constants of the normal distribution are
left out: the loss is half the squared error.
"""

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

from planet_tf2.configs import assemble
from planet_tf2.configs.environments import open_env
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.numpy_episodes import numpy_episodes
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_list("precisions", ["float32", "bfloat16"], "What to compare.")
flags.DEFINE_integer("updates", 1000, "Updates of every training.", 1)
flags.DEFINE_integer("seeds", 3, "Trainings in every precision.", 1)
flags.DEFINE_integer("train_episodes", 12, "Episodes to learn from.", 1)
flags.DEFINE_integer("test_episodes", 4, "Episodes to test with.", 1)
flags.DEFINE_integer("test_batches", 8, "Batches to test with.", 1)

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
    return iter(numpy_episodes(folder, shape, "cache", seed=numbers))


def constant(name: str) -> float:
    pixels = cases.params()["image_size"] ** 2
    entries = {"image": pixels * 3, "reward": 1, "divergence": 0}[name]
    return 0.5 * np.log(2 * np.pi) * entries


def train(folder: pathlib.Path, seed: int, precision: str) -> dict[str, float]:
    """Trains a model and returns its losses on the test episodes."""
    params = cases.params(precision=precision)
    source = batches(folder / "train", (seed, 1))
    batch = next(source)
    model = assemble.make_model(params, batch["action"].shape[-1], seed)
    learner = assemble.make_learner(params, model)
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


def run() -> harness.Result:
    devices.prepare()
    results: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        collect(folder)
        for seed in range(FLAGS.seeds):
            for precision in FLAGS.precisions:
                losses = train(folder, seed, precision)
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
            ratio = mean / statistics.mean(losses[name] for losses in first)
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
