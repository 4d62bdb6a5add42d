"""Shows an episode of an agent, and what it imagined meanwhile, as a GIF.

    python scripts/watch.py --logdir results/dreamer-cartpole_swingup-cpu-1

Plays with a published agent, or one of a run, and says how well it did. Nothing
is written into the folder of the run.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path(
    "logdir", None, "Folder of a run, or of a published one.", required=True
)
command.define_path("out", "watch.gif", "GIF file to write.")
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
flags.DEFINE_string(
    "task", None, "Task to play. Default: the first it was trained on."
)
flags.DEFINE_integer("steps", None, "Decisions to play, at most.", 2)
flags.DEFINE_integer("context", 5, "Time steps that are seen at a time.", 1)
flags.DEFINE_integer("horizon", 45, "Time steps that are then imagined.", 1)
flags.DEFINE_float("fps", 15, "Frames per second.", 0.1, 50)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
flags.DEFINE_boolean("allow_failed", False, "Take a run that failed, too.")


def work() -> None:
    folder = runs.find_run(
        FLAGS.logdir, FLAGS.allow_failed or FLAGS.checkpoint is not None
    )
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.watch import watch
        from planet_tf2.tools import devices

        devices.prepare()
    watch(
        folder,
        FLAGS.out,
        checkpoint=FLAGS.checkpoint,
        task=FLAGS.task,
        steps=FLAGS.steps,
        context=FLAGS.context,
        horizon=FLAGS.horizon,
        fps=FLAGS.fps,
        seed=FLAGS.seed,
    )


if __name__ == "__main__":
    command.start(work)
