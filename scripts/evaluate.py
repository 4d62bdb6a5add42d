"""Evaluates trained agents with noise-free episodes.

    python scripts/evaluate.py --logdir RUN --episodes 20

RUN is the folder of a run or of an experiment; name several, with commas or one
after the other, to sum them up. The training may still be going on. Nothing is
written into the folders of the runs.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_paths(
    "logdir", None, "Folder of a run or of an experiment.", required=True
)
flags.DEFINE_integer("episodes", 20, "Episodes for each run and task.", 1)
flags.DEFINE_integer("seed", 0, "Determines all randomness.", 0, 2**31 - 1)
flags.DEFINE_string(
    "task", None, "Task to play. Default: those that a run was trained on."
)
flags.DEFINE_integer("agents", 1, "Episodes played at the same time.", 1)
flags.DEFINE_boolean("video", False, "Write the first episode as a GIF, too.")
command.define_path(
    "out", None, "JSON file. Default: evaluation-<task>-<step>.json, here."
)
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)
flags.DEFINE_boolean("allow_failed", False, "Take runs that failed, too.")


def work(paths: list[str]) -> None:
    folders = runs.find_runs(
        runs.split_paths([*FLAGS.logdir, *paths]),
        FLAGS.allow_failed or FLAGS.checkpoint is not None,
        print,
    )
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.evaluate import evaluate
        from planet_tf2.tools import devices

        devices.prepare()
    evaluate(
        folders,
        FLAGS.episodes,
        FLAGS.seed,
        task=FLAGS.task,
        agents=FLAGS.agents,
        checkpoint=FLAGS.checkpoint,
        out=FLAGS.out,
        make_video=FLAGS.video,
    )


if __name__ == "__main__":
    command.start(work, names=True)
