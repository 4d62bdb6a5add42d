"""Commands of the documentation are run, as `make docs-check` does.

Without it only the list is checked: nothing is left out.
"""

import os
import shutil
import subprocess

import doc_runs
import pytest
from doc_files import ROOT, blocks, read
from doc_runs import all_commands, find_rule, to_run

from planet_tf2.evaluation import results_page

PAGE = f"# Results\n\n{results_page.BEGIN}\n{results_page.END}\n"


@pytest.mark.parametrize("words", all_commands(), ids=doc_runs.shown)
def test_every_command_is_run_or_listed(words):
    try:
        find_rule(words)
    except KeyError:
        pytest.fail(
            f"{doc_runs.shown(words)} is new: say in tests/doc_runs.py how to "
            "run it, or why not."
        )


@pytest.fixture(scope="module")
def place(trained, tmp_path_factory):
    """A folder with the runs and modules that the documentation speaks of."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(trained.folder.path, folder / "logs" / "cheetah" / "00001")
    (folder / "page.md").write_text(PAGE)
    (block,) = (
        block
        for block in blocks(read("docs/algorithm.md"), "python")
        if "def reward_and_doubt" in block
    )
    (folder / "my_module.py").write_text(block)
    return folder


@pytest.mark.docs
@pytest.mark.parametrize("command", to_run(), ids=lambda command: command[0])
def test_runs(command, place):
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT), str(place), os.environ.get("PYTHONPATH", "")]
        ),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    before = set(os.listdir(ROOT))
    done = subprocess.run(
        command[1],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stderr
    assert set(os.listdir(ROOT)) == before  # Nothing is left here.
