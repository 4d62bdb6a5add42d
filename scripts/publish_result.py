"""Makes a folder that proves a finished run, and brings docs/results.md up.

    python scripts/publish_result.py --logdir RUN

Evaluates the final agent and puts the command that repeats the run, its
parameters, metrics, curve, animations and evaluation into results/. Nothing is
written into the folder of the run. Without --logdir only the page is written.
"""

import pathlib

from absl import flags, logging

from planet_tf2.evaluation import results_page, runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS
_ROOT = pathlib.Path(__file__).parents[1]
if not (_ROOT / "docs").is_dir():  # Not in a checkout, but installed.
    _ROOT = pathlib.Path()

command.define_path("logdir", None, "Folder of a finished run.")
command.define_path(
    "results", str(_ROOT / "results"), "Folder that the result goes into."
)
command.define_path(
    "page",
    None,
    "Page to bring up to date with all that is in --results. It needs the two "
    "lines, of marks, between which docs/results.md lists the runs. Default: "
    "that page, unless --results is given.",
)
flags.DEFINE_string(
    "name", None, "Default: agent, unless it is PlaNet, task, preset and seed."
)
flags.DEFINE_string(
    "hardware", None, "What it was trained on. Default: what the run says."
)
flags.DEFINE_string("note", "", "What else there is to say about it.")
flags.DEFINE_integer("episodes", 20, "Episodes to evaluate.", 1)
flags.DEFINE_integer("seed", 0, "Of the evaluation.", 0, 2**31 - 1)
flags.DEFINE_integer("agents", 1, "Episodes played at the same time.", 1)
flags.DEFINE_boolean("allow_unfinished", False, "Take unfinished runs, too.")
flags.DEFINE_boolean("overwrite", False, "Replace a result of that name.")


def work() -> None:
    logging.set_verbosity(logging.WARNING)  # Checkpoints say how long it took.
    page = FLAGS.page
    if page is None and FLAGS.results == FLAGS["results"].default:
        page = str(_ROOT / "docs" / "results.md")
        page = page if pathlib.Path(page).exists() else None
    if FLAGS.logdir is None:
        if page is None:
            raise ValueError("Nothing to do: say --logdir, or --page.")
        results_page.update_page(page, FLAGS.results)
        return
    folder = runs.find_run(FLAGS.logdir)
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.publish import publish
        from planet_tf2.tools import devices

        devices.prepare()
    publish(
        folder,
        FLAGS.results,
        page,
        name=FLAGS.name,
        hardware=FLAGS.hardware,
        note=FLAGS.note,
        episodes=FLAGS.episodes,
        seed=FLAGS.seed,
        agents=FLAGS.agents,
        allow_unfinished=FLAGS.allow_unfinished,
        overwrite=FLAGS.overwrite,
    )


if __name__ == "__main__":
    command.start(work)
