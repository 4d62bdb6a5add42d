"""Is this checkout faster than another commit?

    python benchmarks/against.py --before HEAD~5 --what train_step \
        --config cpu --params "{precision: bfloat16}"

Runs the same program of this folder in turn with the package of that commit
and with the one here, each time in a new process: processes that are alike
differ by up to 17%, since threads and memory lie elsewhere in each, so one of
either kind says little. Whether the numbers of both are equal is not compared.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import Any

import harness
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("before", None, "The other commit.", required=True)
flags.DEFINE_string("config", None, "Preset, handed on.")
flags.DEFINE_string("params", None, "Parameters as YAML, handed on.")
flags.DEFINE_integer("processes", 5, "How many of either kind.", 1)

# Arguments of the program, and what to read of its figures.
_WHAT = {
    "plan": (["--variants=planet_tf2"], "seconds/planet_tf2"),
    "train_step": (["--variants=planet_tf2"], "seconds/planet_tf2"),
    "epoch": ([], "seconds"),
}
flags.DEFINE_enum("what", "train_step", list(_WHAT), "What to time.")

_HERE = pathlib.Path(__file__).resolve().parent


def check_out(commit: str, folder: str) -> str:
    """Writes the programs of a commit to a folder, whose real name it returns.

    Raises:
      harness.Missing: there is no such commit, or no git.
    """
    archive = f"{folder}/before.tar"
    command = ["git", "archive", f"--output={archive}", commit]
    try:
        subprocess.run(
            [*command, "planet_tf2", "scripts"], cwd=_HERE.parent, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        raise harness.Missing(f"git cannot read commit {commit!r}.") from None
    shutil.unpack_archive(archive, folder, filter="data")
    return str(pathlib.Path(folder).resolve())


def measure(package: str) -> dict[str, Any]:
    """Runs the program once, with the package of a folder."""
    arguments, key = _WHAT[FLAGS.what]
    command = [sys.executable, f"{_HERE / FLAGS.what}.py", "--json", *arguments]
    for name in ("config", "params", "rounds"):
        if FLAGS[name].present:
            command.append(f"--{name}={FLAGS[name].value}")
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": package},
    )
    if result.returncode:
        raise harness.Missing(f"{FLAGS.what}.py failed with {package}.")
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["package"] == package, f"It imported {found['package']}."
    print(f"{package}: {found['figures'][key]:.4g} s", file=sys.stderr)
    return found


def run() -> harness.Result:
    _, key = _WHAT[FLAGS.what]
    with tempfile.TemporaryDirectory() as folder:
        packages = [check_out(FLAGS.before, folder), str(_HERE.parent)]
        pairs = [
            [measure(package) for package in packages]
            for _ in range(FLAGS.processes)
        ]
    seconds = [[found["figures"][key] for found in pair] for pair in pairs]
    rows = [
        (number, before, now, before / now)
        for number, (before, now) in enumerate(seconds, 1)
    ]
    _, *befores_nows, ratios = zip(*rows, strict=True)
    before, now = map(statistics.median, befores_nows)
    least, most = ([f(s) for s in befores_nows] for f in (min, max))
    figures = {
        "seconds/before": before,
        "seconds/now": now,
        "ratio": before / now,
        "ratio/least": min(ratios),
        "ratio/most": max(ratios),
    }
    rows += [
        ("median", before, now, figures["ratio"]),
        ("least", *least, figures["ratio/least"]),
        ("most", *most, figures["ratio/most"]),
    ]
    titles = [found["title"] for found in pairs[0]]
    notes = []
    if titles[0] != titles[1]:
        notes.append(f"Before it was something else! {titles[0]}")
    return harness.Result(
        f"{titles[1]}. Before ({FLAGS.before}) and now",
        ("process", "before s", "now s", "before / now"),
        rows,
        figures,
        notes,
    )


if __name__ == "__main__":
    harness.main(run)
