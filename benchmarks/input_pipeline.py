"""Does the loader keep the training step waiting?"""

import pathlib
import tempfile
from typing import Any

import cases
import harness
from absl import flags
from training_batches import training_batches

from planet_tf2.configs import assemble
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
        batches = training_batches(pathlib.Path(name), params, 40)
        constant = next(batches)
        times = harness.time_in_turn(
            {
                "constant batch": lambda: step(constant),
                "loader": lambda: step(next(batches)),
            },
            warmup=2,
        )
        batches.close()
    return harness.compare(
        f"A training step with and without the loader, {FLAGS.config}",
        times,
    )


if __name__ == "__main__":
    harness.main(run)
