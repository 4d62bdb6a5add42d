"""Compares what is installed with what the tests ran against.

The ranges are those of `setup.py`, as the installed package declares them.
"""

import importlib.metadata
import platform
import shlex
import sys

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from planet_tf2.doctor.findings import Finding, judge, note, problems
from planet_tf2.envs.child_process import PACKAGE_ROOT, Result
from planet_tf2.version import __version__

NAME = "planet_tf2"
MORE_TIME = "try again while nothing else runs, or with --seconds=300"


def check_packages() -> list[Finding]:
    """Examines Python and all packages that planet_tf2 needs."""
    own = _find(NAME)
    if own is None:
        text = f"{NAME} is not installed, so what it needs is not known"
        return [judge("packages", text, install_command())]
    version, needed = platform.python_version(), own.metadata["Requires-Python"]
    text, fix = f"{version} ({sys.executable})", None
    if version not in SpecifierSet(needed, prereleases=True):
        text += f", but {needed} is needed"
        fix = "make PYTHON=python3.11 VENV=.venv311 install"
    found = [judge("Python", text, fix, version=version, needed=needed)]
    found.append(_check_requirements())
    if own.version != __version__:
        text = f"{NAME} {own.version} was installed, but this is {__version__}"
        found.append(note("packages", text, install_command()))
    return found


def install_command(*names: str, extra: str = "", force: bool = False) -> str:
    """Returns the command that installs packages in the tested ranges.

    By default all of them. What is there is only installed again by force.
    """
    command = [sys.executable, "-m", "pip", "install"]
    needed = [r for r in _requirements() if r.name in names]
    if not needed:
        return shlex.join([*command, "--editable", str(PACKAGE_ROOT)])
    if force:
        command.append("--force-reinstall")
    return shlex.join(command + [f"{r.name}{extra}{_range(r)}" for r in needed])


def failure(area: str, what: str, result: Result, *names: str) -> Finding:
    """Says that a child failed, and how to mend the packages that it needs."""
    # Even where their versions are right, files may be damaged.
    fix = install_command(*names, force=True)
    if problems(check_packages()):
        fix = "mend the packages first"
    elif result.exit_code is None:
        fix = MORE_TIME
    return judge(area, f"{what}: {result.complaint}", fix)


def _check_requirements() -> Finding:
    installed, texts, bad = {}, [], []
    for requirement in _requirements():
        name, found = requirement.name, _find(requirement.name)
        installed[name] = version = found and found.version
        # What was built from sources may call itself 3.17.1.dev0.
        if not version or not requirement.specifier.contains(version, True):
            bad.append(name)
            tested = f"{_range(requirement)} was tested"
            texts.append(f"{name} is {version or 'missing'}, but {tested}")
    if not bad:
        text = f"all {len(installed)} are in the ranges that were tested"
        return judge("packages", text, **installed)
    fix = install_command(*bad)
    return judge("packages", "\n".join(texts), fix, **installed)


def _requirements() -> list[Requirement]:
    """Returns what planet_tf2 needs on this machine, without extras."""
    own = _find(NAME)
    found = [Requirement(text) for text in own.requires or []] if own else []
    return [
        r for r in found if not r.marker or r.marker.evaluate({"extra": ""})
    ]


def _find(name: str) -> importlib.metadata.Distribution | None:
    return next(iter(importlib.metadata.distributions(name=name)), None)


def _range(requirement: Requirement) -> str:
    """Writes the versions with the lower bound first."""
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))
