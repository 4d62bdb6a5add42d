"""Commands of the documentation are run, as `make docs-check` does.

Without it only the list is checked: nothing is left out.
"""

import os
import re
import shutil
import subprocess

import doc_runs
import pytest
from doc_files import ROOT, blocks, read
from doc_runs import Listed, Run, all_commands, bare, find_rule, small, to_run

from planet_tf2.evaluation import results_page

PAGE = f"# Results\n\n{results_page.BEGIN}\n{results_page.END}\n"
RULES = {
    **doc_runs.SCRIPTS,
    **doc_runs.MODULES,
    **doc_runs.TARGETS,
    **doc_runs.PROGRAMS,
}


@pytest.mark.parametrize("words", all_commands(), ids=doc_runs.shown)
def test_every_command_is_run_or_listed(words):
    try:
        find_rule(words)
    except KeyError:
        pytest.fail(
            f"{doc_runs.shown(words)} is new: say in tests/doc_runs.py how to "
            "run it, or why not."
        )


@pytest.mark.parametrize("name", RULES)
def test_reasons(name):
    rule = RULES[name]
    if isinstance(rule, Run):
        assert bool(rule.reason) or len(rule.extra) < 3
        return
    assert len(rule.reason) > 8
    if rule.test:
        text = read(rule.test)
        assert rule.word and rule.word in text


def test_rules_are_used():
    """What no document tells to run needs no rule."""
    used = [find_rule(words) for words in all_commands()]
    unused = [name for name, rule in RULES.items() if rule not in used]
    # The activation is told in the middle of a sentence, in brackets.
    assert set(unused) <= {"."}


@pytest.mark.parametrize(
    "line",
    [
        "python scripts/no_such.py --logdir x",
        "python -m planet_tf2.no_such",
        "make no-such",
        "rm -rf logs",
        "sudo reboot",
    ],
)
def test_new_commands_are_found(line):
    with pytest.raises(KeyError):
        find_rule(bare(tuple(line.split())))


def test_most_are_run():
    programs = {made[1] for _, made in to_run()}
    assert len(to_run()) > 15
    assert str(ROOT / "scripts" / "train.py") in programs


def test_small_versions():
    words = ("python", "path/to/planet_tf2/scripts/train.py", "--logdir")
    made = small((*words, "/shared/cheetah", "--num_runs", "10"))
    assert made[1:4] == (
        str(ROOT / "scripts" / "train.py"),
        "--logdir",
        "new/cheetah",
    )
    assert made.index("--num_runs=1") > made.index("10")
    made = small(("python", "scripts/evaluate.py", "--logdir", "RUN"))
    assert made[2:] == ("--logdir", "logs/cheetah/00001", "--episodes=1")


def test_loop_is_one_for_the_shell():
    """Its parts are nothing by themselves, so the whole is parsed."""
    loops = [b for b in blocks(read("docs/clusters.md"), "sh") if "for " in b]
    assert loops
    for loop in loops:
        done = subprocess.run(["sh", "-n"], input=loop, text=True, check=False)
        assert done.returncode == 0


@pytest.fixture(scope="module")
def place(trained, tmp_path_factory):
    """A folder with the runs and modules that the documentation speaks of."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(trained.folder.path, folder / "logs" / "cheetah" / "00001")
    (folder / "page.md").write_text(PAGE)
    (block,) = (
        block
        for block in blocks(read("docs/planning.md"), "python")
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


@pytest.mark.docs
@pytest.mark.parametrize(
    "words",
    [words for words in all_commands() if words[0] == "make"],
    ids=doc_runs.shown,
)
def test_targets_can_be_made(words):
    """As far as can be told without making them."""
    done = subprocess.run(
        ["make", "-n", *words[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in re.findall(r"\b(?:scripts|benchmarks)/\w+\.py", done.stdout):
        assert (ROOT / path).exists()
    for name in ("TASK", "CONFIG", "LOGDIR"):
        for word in words[1:]:
            if word.startswith(f"{name}="):
                assert word.partition("=")[2] in done.stdout


def test_listed_rules_are_no_excuse():
    """What can be run is not only listed."""
    listed = [
        name
        for name, rule in doc_runs.SCRIPTS.items()
        if isinstance(rule, Listed) and not rule.test
    ]
    assert listed == ["benchmarks/profile_step.py"]
