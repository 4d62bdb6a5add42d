"""Opens a window to watch an agent act.

    python scripts/viewer.py --logdir RUN

Above is what the agent sees, below what it had expected to see. Escape, Q or
the window's button end it. Nothing is written into the folder of the run.
"""

import functools

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.evaluation.window import Window, check_screen
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of a run.", required=True)
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
flags.DEFINE_string(
    "task", None, "Task to play. Default: the first it was trained on."
)
flags.DEFINE_integer("episodes", 1, "Episodes to play; 0 for no end.", 0)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
flags.DEFINE_float("fps", 20, "Decisions per second, at most.", 0.1, 100)
flags.DEFINE_integer("size", 320, "Height of the pictures in pixels.", 64, 2048)
flags.DEFINE_boolean("allow_failed", False, "Take a run that failed, too.")


def work() -> None:
    folder = runs.find_run(
        FLAGS.logdir, FLAGS.allow_failed or FLAGS.checkpoint is not None
    )
    if any(folder.checkpoints.glob("*.index")):  # Otherwise that is worse.
        check_screen()
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation import loading, viewer
        from planet_tf2.tools import devices

        devices.prepare()
    run = loading.load_run(folder, FLAGS.checkpoint)
    task = FLAGS.task or run.params["tasks"][0]
    viewer.watch(
        loading.LoadedAgent(run, FLAGS.seed),
        task,
        functools.partial(Window, f"{task}: {folder.path}"),
        FLAGS.episodes,
        FLAGS.seed,
        FLAGS.fps,
        FLAGS.size,
    )


if __name__ == "__main__":
    command.start(work)
