"""Tells a broken part of a world model from slow learning.

    python scripts/diagnose.py --logdir RUN --out diagnosis.json

Compares what the model of a run predicts with episodes that it did not learn
from, and says in plain words what the figures mean. Needs no simulator unless
--fresh asks for new episodes. Nothing is written into the folder of the run.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of a run.", required=True)
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
command.define_path(
    "episodes_dir", None, "Folder of episodes. Default: the run's test ones."
)
flags.DEFINE_integer("episodes", 20, "How many of them, spread evenly.", 1)
flags.DEFINE_integer("context", 5, "Frames that are seen first.", 1)
flags.DEFINE_integer("horizon", 45, "Frames to predict, at most.", 1)
flags.DEFINE_integer("starts", 3, "Sequences of each episode.", 1)
flags.DEFINE_integer("decisions", 20, "Plans in each of three episodes.", 1)
flags.DEFINE_integer("fresh", 0, "Episodes to collect first, per task.", 0)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
command.define_path(
    "out", None, "JSON file to write; a PNG of the same name goes beside it."
)
flags.DEFINE_boolean("allow_failed", False, "Take a run that failed, too.")


def work() -> None:
    folder = runs.find_run(
        FLAGS.logdir, FLAGS.allow_failed or FLAGS.checkpoint is not None
    )
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.diagnose import diagnose
        from planet_tf2.tools import devices

        devices.prepare()
    diagnose(
        folder,
        FLAGS.checkpoint,
        FLAGS.episodes_dir,
        episodes=FLAGS.episodes,
        context=FLAGS.context,
        horizon=FLAGS.horizon,
        starts=FLAGS.starts,
        decisions=FLAGS.decisions,
        fresh=FLAGS.fresh,
        seed=FLAGS.seed,
        out=FLAGS.out,
    )


if __name__ == "__main__":
    command.start(work)
