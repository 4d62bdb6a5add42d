"""Shows what the model of a run predicts without looking, as GIF and MP4.

    python scripts/video_prediction.py --logdir RUN --out prediction.gif

Truth, prediction and error of several sequences that the model did not learn
from, and a plot of the error against the steps ahead; and vectors over time, if
the model predicts some. Needs no simulator. Nothing is written into the folder
of the run.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of a run.", required=True)
command.define_path(
    "out", "prediction.gif", "GIF file; an MP4 and a PNG file go beside it."
)
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
command.define_path(
    "episodes_dir", None, "Folder of episodes. Default: the run's test ones."
)
flags.DEFINE_integer("sequences", 6, "Sequences beside each other.", 1)
flags.DEFINE_integer("context", 5, "Frames that are seen first.", 1)
flags.DEFINE_integer("horizon", 45, "Frames to predict, at most.", 1)
flags.DEFINE_float("fps", 10, "Frames per second.", 0.1, 50)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
flags.DEFINE_boolean("allow_failed", False, "Take a run that failed, too.")


def work() -> None:
    folder = runs.find_run(
        FLAGS.logdir, FLAGS.allow_failed or FLAGS.checkpoint is not None
    )
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.video_prediction import video_prediction
        from planet_tf2.tools import devices

        devices.prepare()
    video_prediction(
        folder,
        FLAGS.out,
        checkpoint=FLAGS.checkpoint,
        episodes_dir=FLAGS.episodes_dir,
        sequences=FLAGS.sequences,
        context=FLAGS.context,
        horizon=FLAGS.horizon,
        fps=FLAGS.fps,
        seed=FLAGS.seed,
    )


if __name__ == "__main__":
    command.start(work)
