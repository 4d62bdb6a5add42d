"""Is any graph built twice in a run with many episodes?"""

import pathlib
import tempfile

import harness
from absl import flags

from planet_tf2 import agents
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools import devices
from planet_tf2.training import assemble
from planet_tf2.training.session import Session

FLAGS = flags.FLAGS

flags.DEFINE_integer("epochs", 6, "Epochs, two and a half episodes each.", 1)


def run() -> harness.Result:
    devices.prepare()
    params = agents.resolve(
        "debug",
        f"{{max_steps: {20 * FLAGS.epochs}, "
        "train_collects: [{after: 5, every: 5}]}",
    )
    with tempfile.TemporaryDirectory() as logdir:
        folder = RunFolder(pathlib.Path(logdir) / "00001")
        folder.create()
        parts = assemble.make_parts(params, folder, 0)
        try:
            Session(folder, parts, params).run()
        finally:
            parts.close()
        amount = len(list(folder.train_episodes.glob("*.npz")))
        amount += len(list(folder.test_episodes.glob("*.npz")))
    functions = {
        "training step": parts.agent.train_step,
        "test step": parts.agent.test_step,
        "summaries": parts.summaries._predict,
    }
    counts = {
        name: function.experimental_get_tracing_count() - 1
        for name, function in functions.items()
    }
    if min(counts.values()) < 0:
        raise harness.Missing(f"The run did not call all of these: {counts}.")
    rollouts = {
        id(collector.rollout): collector.rollout
        for split in parts.collectors.values()
        for collector in split
    }
    for number, rollout in enumerate(rollouts.values(), 1):
        counts[f"rollout {number}"] = rollout.retraces
    return harness.Result(
        f"Graphs built again in {FLAGS.epochs} epochs, {amount} episodes",
        ("function", "retraces"),
        list(counts.items()),
        {"retraces": sum(counts.values())},
    )


if __name__ == "__main__":
    harness.main(run)
