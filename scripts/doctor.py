"""Examines this machine: what is missing, how to mend it, how fast it is.

    python scripts/doctor.py

Ends within two minutes. Exits with 0 only if all is well.
"""

import dataclasses
import json
import sys
import time

try:
    import rich.console
    from absl import flags

    from planet_tf2 import agents
    from planet_tf2.doctor import examination, findings
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
command.define_path("logdir", ".", "Folder that runs are going to be in.")
flags.DEFINE_string("agent", agents.DEFAULT, "Agent to time, see train.py.")
flags.DEFINE_string("task", "", "Task to look at, such as my_module:my_task.")
flags.DEFINE_float("seconds", 110, "Time for everything.", 30, 86400)


def work() -> int:
    found: list[findings.Finding] = []
    start = time.monotonic()
    console = rich.console.Console(highlight=False)
    with console.status("") as status:
        for finding in examination.examine(
            FLAGS.seconds, FLAGS.logdir, FLAGS.agent, status.update, FLAGS.task
        ):
            found.append(finding)
            if not FLAGS.json:
                findings.show(finding, console)
    seconds = time.monotonic() - start
    well = not findings.problems(found)
    if not FLAGS.json:
        print(f"\n{findings.sum_up(found)} ({seconds:.0f} seconds)")
    else:
        told = [dataclasses.asdict(finding) for finding in found]
        result = {"ok": well, "seconds": round(seconds, 1), "findings": told}
        print(json.dumps(result, indent=1))
    return int(not well)


if __name__ == "__main__":
    command.start(work)
