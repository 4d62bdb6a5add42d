"""Draws learning curves of runs, with mean and spread over their seeds.

    python scripts/plot.py --logdir logs/cheetah --out cheetah.png

Name folders of runs or of experiments, several with commas or one after the
other; the runs of an experiment are averaged. The returns are written as CSV
too. Nothing is written into the folders of the runs.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_paths(
    "logdir", None, "Folder of a run or of an experiment.", required=True
)
command.define_path("out", "curves.png", "PNG file; CSV files go beside it.")
flags.DEFINE_list(
    "x", ["episodes", "steps", "hours"], "What to draw against, of these."
)
flags.DEFINE_list("split", ["test"], "test or train or both: test,train.")
flags.DEFINE_enum(
    "band", "std", ["std", "minmax", "none"], "Spread around the mean."
)
flags.DEFINE_integer("smooth", 1, "Returns to average, with those before.", 1)
flags.DEFINE_list("labels", [], "Names of the experiments, in their order.")
flags.DEFINE_boolean("allow_failed", False, "Take runs that failed, too.")


def work(paths: list[str]) -> None:
    paths = runs.split_paths([*FLAGS.logdir, *paths])
    folders = runs.find_runs(paths, FLAGS.allow_failed, print)
    # Not earlier, so that a mistake in a path shows at once.
    from planet_tf2.evaluation.plot import plot

    plot(
        folders,
        FLAGS.out,
        FLAGS.x,
        FLAGS.split,
        FLAGS.band,
        FLAGS.smooth,
        labels=FLAGS.labels,
    )


if __name__ == "__main__":
    command.start(work, names=True)
