"""Every command of the documentation is one that works: files, flags, names.

What cannot be run within moments is parsed as the programs would parse it.
"""

import ast
import contextlib
import importlib.util
import pathlib
import re
import sys

import pytest
from absl import flags
from doc_files import DOCUMENTS, ROOT, Command, commands, inline, read, split
from doc_runs import bare

from planet_tf2 import agents
from planet_tf2.configs import tasks
from planet_tf2.configs.params_text import flag_overrides

MAKEFILE = read("Makefile")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.M))
# Of other programs, and what stands for something in a sentence.
FOREIGN_FLAGS = {"--samples_per_plugin", "--gpus", "--force-reinstall"}
ALL = [command for name in DOCUMENTS for command in commands(name)]


def options(words):
    """Returns what begins with a dash."""
    return [word for word in words if word.startswith("-")]


def check_python(words):
    """Checks a Python program of this repository, or a bit of code."""
    first = words[0]
    if first == "-c":
        ast.parse(words[1])
        return
    if first == "-m":
        return  # A module of another package.
    path = ROOT / first.removeprefix("path/to/planet_tf2/")
    assert path.is_file(), f"There is no {first}."
    check_script(path, words[1:])


@contextlib.contextmanager
def own_flags():
    """Forgets all flags that are defined inside of the block, and by whom."""
    defined = flags.FLAGS._flags()
    before, modules = dict(defined), set(sys.modules)
    try:
        yield
    finally:
        defined.clear()
        defined.update(before)
        flags.FLAGS.unparse_flags()
        for name in set(sys.modules) - modules:
            # A benchmark's modules define flags when they are imported.
            path = getattr(sys.modules[name], "__file__", None) or ""
            if pathlib.Path(path).parent == ROOT / "benchmarks":
                del sys.modules[name]


def check_script(path, arguments):
    """Parses arguments as a program would, and its parameters."""
    if not arguments:
        return  # It was only mentioned.
    if path.parent.name == "tests":
        names = {word.removeprefix("--") for word in options(arguments)}
        assert names <= defined_flags(path), f"{names} of {path.name}"
        return
    spec = importlib.util.spec_from_file_location(f"doc_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with own_flags():
        sys.modules[spec.name] = module
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
            if path.stem == "dreamer":
                path = path.with_name("train.py")
                check_script(path, module.translate(arguments))
                return
            rest = flags.FLAGS([str(path), *arguments])
            if path.stem == "train":
                check_training(rest)
        finally:
            sys.path.remove(str(path.parent))


def check_training(rest):
    assert len(rest) == 1, f"Not understood: {rest[1:]}"
    values = flags.FLAGS
    if values.params == "...":
        return
    agent = values.agent
    # Flags of another agent's parameters are not defined here.
    given = {}
    if agent == agents.DEFAULT:
        given = flag_overrides(agents.find().Parameters, values)
    params = agents.resolve(values.config, values.params, given, agent)
    for task in params["tasks"]:
        tasks.get_task(task)


def check_make(words):
    targets = [word for word in words if "=" not in word]
    assert set(targets) <= TARGETS, f"{targets} of {sorted(TARGETS)}"
    given = dict(word.split("=", 1) for word in words if "=" in word)
    assert set(given) <= VARIABLES, f"{given} of {sorted(VARIABLES)}"
    if "CONFIG" in given:
        agent = given.get("AGENT", agents.DEFAULT)
        assert given["CONFIG"] in agents.find(agent).PRESETS
    if "TASK" in given:
        tasks.get_task(given["TASK"])


def check_sbatch(words):
    """Checks a job: options, the script, and what that gives to training."""
    (place,) = (i for i, word in enumerate(words) if word.endswith(".sh"))
    assert (ROOT / words[place]).is_file(), f"There is no {words[place]}."
    check_script(ROOT / "scripts" / "train.py", words[place + 1 :])


CHECKS = {
    "sbatch": check_sbatch,
    "python": check_python,
    "python3": check_python,
    "make": check_make,
}
# With nothing in them that could be out of date.
PLAIN = {"cd", "unset", "export", "Xvfb", ".", "source", "ls", "cp", "git"}
PLAIN |= {"for", "do", "done", "wait", "mount", "tensorboard"}
PLAIN |= {"pip", "apt-get"}


def check(command):
    words = list(bare(command.words))
    if not words or words[0] in PLAIN:
        return
    assert words[0] in CHECKS, f"{words[0]} is no program that is known here."
    CHECKS[words[0]](words[1:])


@pytest.mark.parametrize("command", ALL, ids=str)
def test_command(command):
    try:
        check(command)
    except (flags.Error, ValueError, SyntaxError) as error:
        raise AssertionError(f"{command}: {error}") from None


def known_flags():
    """Returns the flags of all programs, as they are written in them."""
    packages = map(agents.find, agents.AGENTS)
    names = {x for package in packages for x in package.Parameters.known()}
    for folder in ("scripts", "benchmarks", "tests"):
        for path in (ROOT / folder).glob("*.py"):
            names |= defined_flags(path)
    return names


def defined_flags(path):
    """Returns the flags of a program, of absl or of argparse."""
    pattern = r'(?:DEFINE_\w+|define_paths?|add_argument)\(\s*"(?:--)?(\w+)"'
    return set(re.findall(pattern, path.read_text()))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_flags_in_the_text(document):
    known = known_flags()
    for code in inline(read(document)):
        for word in re.findall(r"(?<!\S)--[a-z][\w.-]*", code):
            name = word.removeprefix("--")
            if word in FOREIGN_FLAGS or "pip install" in code:
                continue
            assert name in known or name.removeprefix("no") in known, word


@pytest.mark.parametrize(
    "name",
    sorted(
        p.name
        for p in (ROOT / "scripts").glob("[a-z]*.py")
        if p.stem != "write_parameters"
    ),
)
def test_the_command_of_a_programs_own_docstring(name):
    """What a program says of itself can be run, too."""
    path = ROOT / "scripts" / name
    text = ast.get_docstring(ast.parse(path.read_text()))
    shown = re.findall(r"^    (python scripts/.*(?:\\\n.*)*)$", text, re.M)
    assert shown, "There is no example."
    for line in shown:
        line = re.sub(r"\[(--[\w-]+)\]", r"\1", line)  # What is optional.
        for words in split(line.replace("\\\n", " ")):
            if not any(word.isupper() and "=" in word for word in words):
                check(Command(name, words))
