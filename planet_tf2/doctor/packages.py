"""Compares what is installed with what the tests ran against.

The ranges are those of `setup.py`, as the installed package declares them.
"""

import importlib.metadata
import platform
import shlex
import sys

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding
from planet_tf2.envs.child_process import PACKAGE_ROOT
from planet_tf2.version import __version__

NAME = "planet_tf2"
MORE_TIME = "try again while nothing else runs, or with --seconds=300"


def check_packages() -> list[Finding]:
    """Examines Python and all packages that planet_tf2 needs."""
    try:
        own = importlib.metadata.distribution(NAME)
    except importlib.metadata.PackageNotFoundError:
        text = (
            f"{NAME} is not installed here, so that nobody knows which "
            "versions of other packages it was tested with."
        )
        return [
            _check_python(None),
            Finding("packages", PROBLEM, text, install_command()),
        ]
    findings = [_check_python(own.metadata["Requires-Python"])]
    findings += _check_requirements(requirements())
    if own.version != __version__:
        text = (
            f"What is installed says that it is {NAME} {own.version}, but this "
            f"is {__version__}: the ranges may be old."
        )
        findings.append(Finding("packages", NOTE, text, install_command()))
    return findings


def requirements() -> list[Requirement]:
    """Returns what planet_tf2 needs on this machine, without extras."""
    try:
        texts = importlib.metadata.requires(NAME) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = [Requirement(text) for text in texts]
    return [
        r for r in found if not r.marker or r.marker.evaluate({"extra": ""})
    ]


def install_command(
    *names: str, extra: str | None = None, force: bool = False
) -> str:
    """Returns the command that installs packages in the tested ranges.

    Args:
      *names: the packages; by default planet_tf2 with everything.
      extra: an extra of these packages.
      force: whether to install what is there already, as it may be damaged.
    """
    command = [sys.executable, "-m", "pip", "install"]
    if force:
        command.append("--force-reinstall")
    needed = [r for r in requirements() if r.name in names]
    if not needed:
        return shlex.join([*command, "--editable", str(PACKAGE_ROOT)])
    for requirement in needed:
        suffix = f"[{extra}]" if extra else ""
        command.append(f"{requirement.name}{suffix}{_range(requirement)}")
    return shlex.join(command)


def repair(broken: bool, *names: str) -> tuple[str, str | None]:
    """Says how to mend packages that do not work.

    Args:
      broken: whether packages are known to be wrong, which comes first.
      *names: the packages. Even where versions are right, files may be damaged.

    Returns:
      What to add to a text, and the command.
    """
    if broken:
        return "\nMend the packages first.", None
    return "", install_command(*names, force=True)


def _range(requirement: Requirement) -> str:
    """Writes the versions with the lower bound first."""
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))


def _check_python(needed: str | None) -> Finding:
    version = platform.python_version()
    details = {"version": version, "needed": needed, "path": sys.executable}
    text = f"{version} ({sys.executable})"
    if needed and version not in SpecifierSet(needed, prereleases=True):
        fix = "make PYTHON=python3.11 VENV=.venv311 install"
        text = f"{text}, but {needed} is needed"
        return Finding("Python", PROBLEM, text, fix, details)
    return Finding("Python", OK, text, details=details)


def _check_requirements(needed: list[Requirement]) -> list[Finding]:
    installed = {r.name: _installed(r.name) for r in needed}
    bad = [r for r in needed if not _fits(r, installed[r.name])]
    if not bad:
        text = f"all {len(needed)} are in the ranges that were tested"
        return [Finding("packages", OK, text, details=installed)]
    fix = install_command(*(r.name for r in bad))
    findings = []
    for requirement in bad:
        name, version = requirement.name, installed[requirement.name]
        text = f"{name} is {version}, but {_range(requirement)} was tested"
        if version is None:
            text = f"{name} is missing; {_range(requirement)} was tested"
        findings.append(
            Finding("packages", PROBLEM, text, fix, {name: version})
        )
    return findings


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _fits(requirement: Requirement, version: str | None) -> bool:
    try:
        # What was built from sources may call itself 3.17.1.dev0.
        return version is not None and requirement.specifier.contains(
            Version(version), prereleases=True
        )
    except InvalidVersion:
        return False
