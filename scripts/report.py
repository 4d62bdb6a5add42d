"""Writes what is known of runs as one HTML file that needs nothing else.

    python scripts/report.py --logdir DIR --out report.html

DIR is the folder of a run, of an experiment, or of several experiments. Runs
that are not done, or failed, are part of the report; of failed ones the exit
status tells, unless --allow_failed is set. Nothing is written into the folders
of the runs.
"""

from absl import app, flags

from planet_tf2.evaluation import runs
from planet_tf2.evaluation.report import make_report
from planet_tf2.tools import command

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "logdir", None, "Folder of a run, or of experiments.", required=True
)
flags.DEFINE_string("out", "report.html", "HTML file to write.")
flags.DEFINE_multi_string(
    "evaluation",
    [],
    "JSON file that evaluate.py wrote. Those in DIR, in the current folder and "
    "in that of --out are found by themselves.",
)
flags.DEFINE_string("title", None, "Title. Default: the name of the folder.")
flags.DEFINE_boolean("allow_failed", False, "Exit with 0 if a run failed, too.")


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    return command.run(work)


def work() -> None:
    found = make_report(FLAGS.logdir, FLAGS.out, FLAGS.evaluation, FLAGS.title)
    if not FLAGS.allow_failed:
        for run in found:
            runs.check_not_failed(run.folder)


if __name__ == "__main__":
    app.run(main)
