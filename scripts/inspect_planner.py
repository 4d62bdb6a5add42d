"""Shows why the planner did what it did, as an HTML file.

    python scripts/inspect_planner.py --logdir RUN --decisions 10,40 \
        --out plans.html

Works from a stored episode and a checkpoint, without a simulator. Nothing is
written into the folder of the run.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of a run.", required=True)
command.define_path(
    "episode",
    None,
    "Number of a test episode, from 1, or -1 for the last; or a file, or how "
    "its name begins. Default: the last.",
)
flags.DEFINE_list(
    "decisions", [], "Numbers of decisions, from 0. Default: three of them."
)
command.define_path("out", "plans.html", "HTML file to write.")
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
flags.DEFINE_boolean("allow_failed", False, "Take a run that failed, too.")


def work() -> None:
    folder = runs.find_run(
        FLAGS.logdir, FLAGS.allow_failed or FLAGS.checkpoint is not None
    )
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.inspector.inspect_planner import (
            inspect_planner,
        )
        from planet_tf2.tools import devices

        devices.prepare()
    inspect_planner(
        folder,
        FLAGS.out,
        episode=FLAGS.episode,
        decisions=FLAGS.decisions,
        checkpoint=FLAGS.checkpoint,
        seed=FLAGS.seed,
    )


if __name__ == "__main__":
    command.start(work)
