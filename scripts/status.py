"""Shows how the runs of an experiment are coming along.

    python scripts/status.py --logdir LOGDIR [--watch] [--json]

LOGDIR is an experiment, a single run, or a folder of several experiments.
Only looks, so anybody may use it at any time.
"""

import contextlib
import time

from absl import flags
from rich.console import Console
from rich.live import Live

from planet_tf2.evaluation import runs
from planet_tf2.experiment.status import Overview
from planet_tf2.experiment.status_table import status_table, to_json
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder to look at.", required=True)
flags.DEFINE_boolean("watch", False, "Keep looking until Ctrl-C.")
flags.DEFINE_boolean(
    "json", False, "Print a line of JSON for every look, instead of a table."
)
flags.DEFINE_float("every", 2, "Seconds between two looks.", 0.1, 86400)


def work() -> None:
    overview = Overview(FLAGS.logdir)
    if not FLAGS.watch and not overview.look():
        # Says what the folder is instead, in one line.
        runs.find_runs([FLAGS.logdir], allow_failed=True)
    # That is how watching ends.
    with contextlib.suppress(KeyboardInterrupt):
        if FLAGS.json:
            print_json(overview)
        elif FLAGS.watch:
            watch(overview)
        else:
            console = Console()
            found = overview.look()
            console.print(status_table(found, console, FLAGS.logdir))


def print_json(overview: Overview) -> None:
    """Prints a line, or one after the other."""
    print(to_json(overview.look()), flush=True)
    while FLAGS.watch:
        time.sleep(FLAGS.every)
        print(to_json(overview.look()), flush=True)


def watch(overview: Overview) -> None:
    """Keeps a table on the screen up to date."""
    console = Console()
    with Live(console=console, screen=console.is_terminal) as live:
        while True:
            now = time.strftime("%H:%M:%S")
            found = overview.look()
            table = status_table(found, console, FLAGS.logdir, now)
            live.update(table, refresh=True)
            time.sleep(FLAGS.every)


if __name__ == "__main__":
    command.start(work, has_results=True)
