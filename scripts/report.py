"""Writes what is known of runs as one HTML file that needs nothing else.

    python scripts/report.py --logdir DIR --out report.html

DIR is the folder of a run, of an experiment, or of several experiments. Runs
that are not done, or failed, are part of the report; of failed ones the exit
status tells, unless --allow_failed is set. Nothing is written into the folders
of the runs.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.evaluation.report import make_report
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path(
    "logdir", None, "Folder of a run, or of experiments.", required=True
)
command.define_path("out", "report.html", "HTML file to write.")
command.define_paths(
    "evaluation",
    [],
    "JSON file that evaluate.py wrote. Those in DIR, in the current folder and "
    "in that of --out are found by themselves.",
)
flags.DEFINE_string("title", None, "Title. Default: the name of the folder.")
flags.DEFINE_boolean("allow_failed", False, "Exit with 0 if a run failed, too.")


def work() -> None:
    found = make_report(FLAGS.logdir, FLAGS.out, FLAGS.evaluation, FLAGS.title)
    if not FLAGS.allow_failed:
        for run in found:
            runs.check_not_failed(run.folder)


if __name__ == "__main__":
    command.start(work)
