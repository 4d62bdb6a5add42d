"""What is done with the commands of the documentation.

Every command is of a program that has a rule here: it is run, with what makes
it small behind it, or it is listed with the reason why not, and with the test
that runs the same, if there is one. A command of another program has no rule,
and `tests/test_docs_runs.py` fails.
"""

import re
import shlex
import sys
from typing import NamedTuple

from doc_files import DOCUMENTS, ROOT, commands

# The smallest training that does everything, without a simulator. Flags win
# over --params, and the last of two flags over the first.
_SMALL = {
    "config": "debug",
    "tasks": "[dummy]",
    "isolate_envs": "process",
    "num_runs": 1,
    "batch_shape": "[2, 5]",
    "cnn_depth": 2,
    "action_repeat": 100,
    "max_steps": 6,
    "train_steps": 4,
    "test_steps": 2,
    "collect_every": 4,
}


class Run(NamedTuple):
    """Run it.

    Attributes:
      extra: what is written behind it, to make it small.
      reason: why, if something is.
    """

    extra: tuple[str, ...] = ()
    reason: str = ""


class Listed(NamedTuple):
    """Do not run it here.

    Attributes:
      reason: why not.
      test: a file of tests that runs the same.
      word: something in that file that shows it.
    """

    reason: str
    test: str = ""
    word: str = ""


Rule = Run | Listed

# By the file of the program.
SCRIPTS: dict[str, Rule] = {
    "scripts/train.py": Run(
        tuple(f"--{name}={value}" for name, value in _SMALL.items()),
        "a training takes between minutes and days",
    ),
    "scripts/evaluate.py": Run(("--episodes=1",), "20 episodes take a while"),
    "scripts/plot.py": Run(),
    "scripts/diagnose.py": Run(("--starts=1", "--decisions=2")),
    "scripts/video_prediction.py": Run(("--sequences=1",)),
    "scripts/report.py": Run(),
    "scripts/inspect_planner.py": Run(
        ("--decisions=1,9",), "an episode of the small run has ten decisions"
    ),
    "scripts/publish_result.py": Run(
        ("--episodes=1", "--results=results", "--page=page.md"),
        "20 episodes take a while, and what this project publishes is not to "
        "be changed",
    ),
    "scripts/status.py": Run(("--nowatch",), "it looks until Ctrl-C"),
    "scripts/plan_true_simulator.py": Run(
        (
            "--episodes=1",
            "--amount=3",
            "--topk=1",
            "--horizon=1",
            "--iterations=1",
        ),
        "an episode takes between two and twenty minutes",
    ),
    "benchmarks/preset_sizes.py": Run(
        (
            "--sizes={}",
            "--seconds=1",
            "--train_episodes=1",
            "--test_episodes=1",
            "--test_batches=1",
            "--rounds=1",
        ),
        "it trains for a quarter of an hour",
    ),
    "benchmarks/profile_step.py": Listed(
        "it profiles the default sizes, which takes minutes; nothing in it "
        "can be made smaller"
    ),
    "tests/stress_resume.py": Listed(
        "it takes an hour", "tests/test_resuming.py", "stress_resume"
    ),
    "scripts/viewer.py": Listed(
        "it needs a screen", "tests/test_viewer.py", 'run_script("viewer"'
    ),
    "scripts/doctor.py": Listed(
        "it judges the machine, so that its status depends on that",
        "tests/test_doctor.py",
        "doctor.py",
    ),
}
# By the module behind `python -m`.
MODULES: dict[str, Rule] = {
    "planet_tf2.envs.worker": Listed(
        "it talks over pipes", "tests/test_async_env.py", "process"
    ),
    "planet.scripts.train": Listed("the original's"),
    "pytest": Listed(
        "the file that it names is part of the tests; the original's files "
        "are not in this repository",
        "tests/test_golden.py",
        "PLANET_GOLDEN",
    ),
}
# By the target of `make`; with `make -n` all of them are expanded.
TARGETS: dict[str, Listed] = {
    "train": Listed(
        "ten minutes and more; the program that it starts is run above"
    ),
    "test": Listed("all tests"),
    "check": Listed("all tests"),
    "docs": Listed("it changes a file", "tests/test_parameters.py", "docs"),
    "format": Listed("it changes files"),
    "docs-check": Listed("this is it"),
    "doctor": Listed(
        "as scripts/doctor.py", "tests/test_doctor.py", "doctor.py"
    ),
    "bench": Listed("it installs PyTorch and takes an hour"),
    "experiments": Listed(
        "it takes an hour", "tests/test_experiments.py", "experiments"
    ),
}
# By the program itself.
PROGRAMS: dict[str, Rule] = {
    "tensorboard": Run(("--inspect",), "it serves until Ctrl-C"),
    "pip": Listed(
        "it changes the environment; extras are looked up in setup.py",
        "tests/test_docs_commands.py",
        "check_pip",
    ),
    "apt-get": Listed(
        "it changes the machine; packages are those that errors name",
        "tests/test_docs_commands.py",
        "check_apt",
    ),
    "sbatch": Listed(
        "it needs a cluster; a pretended one runs the script",
        "tests/test_slurm.py",
        "slurm_array.sh",
    ),
    "mount": Listed("it needs a server"),
    "Xvfb": Listed("it serves a screen", "tests/test_viewer.py", "Xvfb"),
    "export": Listed("it sets a variable of the shell"),
    "unset": Listed("it removes a variable of the shell"),
    ".": Listed("it changes the shell"),
    "for": Listed("a part of a loop, whose command is run"),
    "do": Listed("a part of a loop, whose command is run"),
    "done": Listed("a part of a loop, whose command is run"),
    "wait": Listed("it waits for what runs behind it, of which nothing does"),
    "python -c": Listed(
        "it takes a picture of a screen",
        "tests/test_docs_commands.py",
        "ast.parse(words[1])",
    ),
}
# What stands for a folder in the text, and what it is where commands are run.
_PLACES = (
    ("path/to/planet_tf2/", ""),
    ("/shared/", "logs/"),
    ("/data/planet/", "logs/"),
)


def all_commands():
    """Returns the commands of all documents, each once."""
    found = {}
    for document in DOCUMENTS:
        for command in commands(document):
            found.setdefault(bare(command.words), command)
    return {words: command for words, command in found.items() if words}


def bare(words):
    """Returns a command without variables, `sudo` and a virtual screen."""
    words = list(words)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words and words[0] in ("sudo", "xvfb-run"):
        words.pop(0)
        while words and words[0].startswith("-"):
            words.pop(0)
    return tuple(words)


def find_rule(words):
    """Returns what is to be done with a command.

    Raises:
      KeyError: nothing says.
    """
    program, *rest = words
    if program == "make":
        targets = [word for word in rest if "=" not in word]
        return TARGETS[targets[0]]
    if program not in ("python", "python3"):
        return PROGRAMS[program]
    if rest[0] == "-m" and rest[1] == "pip":
        return PROGRAMS["pip"]
    if rest[0] == "-m":
        return MODULES[rest[1]]
    if rest[0] == "-c":
        return PROGRAMS["python -c"]
    name = rest[0].removeprefix("path/to/planet_tf2/")
    if len(rest) == 1 and name in SCRIPTS and name != "scripts/doctor.py":
        return Listed("the program is only mentioned")
    return SCRIPTS[name]


def small(words):
    """Returns a command as it is run: other places, and small."""
    rule = find_rule(words)
    result = []
    for word in words:
        for old, new in _PLACES:
            word = word.replace(old, new)
        result.append("logs/cheetah/00001" if word == "RUN" else word)
    if result[0] in ("python", "python3"):
        result[0] = sys.executable
        training = result[1] == "scripts/train.py"
        result[1] = str(ROOT / result[1])
        if training:
            place = result.index("--logdir") + 1
            result[place] = result[place].replace("logs/", "new/")
    elif result[0] == "tensorboard":
        result[:1] = [sys.executable, "-m", "tensorboard.main"]
    return (*result, *rule.extra)


def to_run():
    """Returns the commands that are run, those that come to the same once."""
    found = {}
    for words, command in all_commands().items():
        try:
            rule = find_rule(words)
        except KeyError:
            continue  # Another test tells.
        if isinstance(rule, Run):
            made = small(words)
            # Where a training goes to makes no difference.
            key = tuple(w for w in made if not w.startswith("new/"))
            found.setdefault(key, (f"{command.document}: {shown(words)}", made))
    return list(found.values())


def shown(words):
    return shlex.join(words)
