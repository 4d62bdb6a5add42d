"""Writes what is in event files as CSV files, or as pictures.

    python scripts/fetch_events.py --logdir 'logs/*' --outdir events \
        --tag 'simulation/*/return'

Makes a file for each folder of event files and each tag, such as
events/cheetah/00001/test/simulation.cheetah_run.main.return.csv.
"""

from absl import flags

from planet_tf2.evaluation import events
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_paths(
    "logdir", None, "Folder, or pattern of folders, with event files in them."
)
command.define_path("outdir", None, "Folder to write to.", required=True)
flags.DEFINE_string(
    "runs", "*", "Pattern for the paths of event files, such as '*/test'."
)
flags.DEFINE_multi_string("tag", ["*"], "Pattern for tags.")
flags.DEFINE_enum("type", events.SCALAR, list(events.TYPES), "What to read.")
flags.DEFINE_integer("workers", 4, "Folders that are read at a time.", 1)
flags.DEFINE_boolean("force", False, "Write files anew that are there.")
flags.DEFINE_boolean("allow_failed", False, "Take runs that failed, too.")


def work(patterns: list[str]) -> None:
    patterns = [*(FLAGS.logdir or []), *patterns]
    if not patterns:
        raise ValueError("Name the folder of a run with --logdir.")
    folders = events.find_event_folders(
        patterns, FLAGS.runs, FLAGS.allow_failed
    )
    # TensorBoard reads with it.
    with command.native_stderr_silenced():
        import tensorflow  # noqa: F401
    events.fetch(
        folders, FLAGS.outdir, FLAGS.tag, FLAGS.type, FLAGS.workers, FLAGS.force
    )


if __name__ == "__main__":
    command.start(work, names=True)
