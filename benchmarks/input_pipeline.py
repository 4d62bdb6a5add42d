"""Does the loader keep the training step waiting?"""

import itertools
import pathlib
import tempfile
import time
from typing import Any

import cases
import harness
from absl import flags
from training_batches import training_batches

from planet_tf2.agents.planet import build
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_integer("steps", 4, "Training steps that are timed at once.", 1)

# A batch that waits to be fetched, one that waits to be put there, and a step
# for the loader to be as far as in training.
_READY = 3


def run() -> harness.Result:
    devices.prepare()
    params = cases.params()
    learner = build.make_learner(params, cases.model())
    seed = seeds.derive(0)

    def step(batch: dict[str, Any]) -> None:
        learner.train_step(batch, seed)["total"].numpy()

    times: dict[str, list[float]] = {"constant batch": [], "loader": []}
    with tempfile.TemporaryDirectory() as name:
        batches = training_batches(pathlib.Path(name), params, 40)
        constant = itertools.repeat(next(batches))
        for _ in range(FLAGS.rounds):
            for source, seconds in zip(
                (constant, batches), times.values(), strict=True
            ):
                # The loader went on meanwhile. Use up what it has ready.
                for _ in range(_READY):
                    step(next(source))
                start = time.perf_counter()
                for _ in range(FLAGS.steps):
                    step(next(source))
                seconds.append((time.perf_counter() - start) / FLAGS.steps)
        batches.close()
    return harness.compare(
        f"A training step with and without the loader, {FLAGS.config}",
        times,
    )


if __name__ == "__main__":
    harness.main(run)
