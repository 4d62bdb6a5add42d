"""How much memory do updates take with many episodes?

Of the training process, without what it needs to collect episodes.
"""

import pathlib
import resource
import tempfile

import cases
import harness
from absl import flags
from training_batches import training_batches

from planet_tf2.agents.planet import build
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_integer("episodes", 1000, "Episodes in the folder.", 1)
flags.DEFINE_integer("max_bytes", 10**9, "Bound of the loader; 0 for none.", 0)
flags.DEFINE_integer("updates", 40, "Training steps.", 1)


def resident_gigabytes() -> float:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def run() -> harness.Result:
    devices.prepare()
    harness.check_processor_only()
    params = cases.params(loader_max_bytes=FLAGS.max_bytes or None)
    learner = build.make_learner(params, cases.model())
    rows = [("program and model", resident_gigabytes(), peak_gigabytes())]
    with tempfile.TemporaryDirectory() as name:
        batches = training_batches(pathlib.Path(name), params, FLAGS.episodes)
        batch = next(batches)
        rows.append(("episodes", resident_gigabytes(), peak_gigabytes()))
        for update in range(1, FLAGS.updates + 1):
            learner.train_step(batch, seeds.derive(update))
            batch = next(batches)
            if update in (1, 2, FLAGS.updates // 2, FLAGS.updates):
                label = f"update {update}"
                rows.append((label, resident_gigabytes(), peak_gigabytes()))
        batches.close()
    bound = f"{FLAGS.max_bytes / 1e9:g} GB" if FLAGS.max_bytes else "all"
    return harness.Result(
        f"Memory with {FLAGS.episodes} episodes, loader bound {bound}",
        ("after", "resident GB", "peak GB"),
        rows,
        {"peak_gigabytes": peak_gigabytes()},
    )


if __name__ == "__main__":
    harness.main(run)
