"""Does the loader keep the training step waiting?"""

import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import cases
import episode_files
import harness
from absl import flags

from planet_tf2.configs import assemble
from planet_tf2.data.numpy_episodes import numpy_episodes
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS


def run() -> harness.Result:
    devices.prepare()
    params = cases.params()
    learner = assemble.make_learner(params, cases.model())
    seed = seeds.derive(0)

    def step(batch: dict[str, Any]) -> None:
        learner.train_step(batch, seed)["total"].numpy()

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "episodes"
        episode_files.fill(folder, 40)
        batches: Iterator[dict] = iter(
            numpy_episodes(
                folder,
                params["batch_shape"],
                params["loader"],
                params["loader_every"],
            )
        )
        constant = next(batches)
        times = harness.time_in_turn(
            {
                "constant batch": lambda: step(constant),
                "loader": lambda: step(next(batches)),
            },
            warmup=2,
        )
    return harness.compare(
        f"A training step with and without the loader, {FLAGS.config}",
        times,
    )


if __name__ == "__main__":
    harness.main(run)
