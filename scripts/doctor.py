"""Examines this machine: what is missing, how to mend it, how fast it is.

    python scripts/doctor.py

Ends within two minutes. Exits with 0 only if all is well.
"""

import json
import sys
import time

try:
    from absl import app, flags

    from planet_tf2 import doctor
    from planet_tf2.doctor import findings as told
    from planet_tf2.tools import command
except ModuleNotFoundError as error:
    # Then there is nothing to examine with.
    print(
        f"PROBLEM  The Python package {error.name} is missing.\n"
        f"-> {sys.executable} -m pip install --editable .",
        file=sys.stderr,
    )
    sys.exit(1)

FLAGS = flags.FLAGS

flags.DEFINE_boolean("json", False, "Write a JSON object in the end instead.")
flags.DEFINE_string("logdir", ".", "Folder that runs are going to be in.")
flags.DEFINE_float("seconds", 110, "Time for everything.", 30)


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    found: list[doctor.Finding] = []
    status = command.run(lambda: work(found))
    return status or int(not told.is_well(found))


def work(found: list[doctor.Finding]) -> None:
    start = time.monotonic()

    def report(text: str) -> None:
        if sys.stderr.isatty():
            print(text, file=sys.stderr)

    settings = doctor.Settings(FLAGS.seconds, FLAGS.logdir, report)
    for finding in doctor.examine(settings):
        found.append(finding)
        if not FLAGS.json:
            print(told.describe(finding), flush=True)
    seconds = time.monotonic() - start
    if FLAGS.json:
        print(json.dumps(told.as_dict(found, seconds), indent=1))
    else:
        print(f"\n{told.sum_up(found)} ({seconds:.0f} seconds)")


if __name__ == "__main__":
    app.run(main)
