"""Compares what is installed with what the tests ran against.

The ranges are those of `setup.py`, as the installed package declares them.
"""

import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding
from planet_tf2.envs.child_process import PACKAGE_ROOT
from planet_tf2.version import __version__

NAME = "planet_tf2"


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


def install_command(needed: Sequence[Requirement] | None = None) -> str:
    """Returns the command that installs packages in the tested ranges.

    Args:
      needed: the packages; by default planet_tf2 with everything.
    """
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    if needed is None:
        return f"{pip} --editable {shlex.quote(str(PACKAGE_ROOT))}"
    return " ".join([pip, *(shlex.quote(written(r)) for r in needed)])


def written(requirement: Requirement) -> str:
    """Writes a requirement with the lower bound first."""
    extras = ",".join(sorted(requirement.extras))
    name = requirement.name + (f"[{extras}]" if extras else "")
    return name + range_of(requirement.specifier)


def range_of(specifier: SpecifierSet) -> str:
    """Writes a range with the lower bound first."""
    return ",".join(sorted(map(str, specifier), reverse=True))


def _check_python(needed: str | None) -> Finding:
    version = platform.python_version()
    details = {"version": version, "needed": needed, "path": sys.executable}
    text = f"{version} ({sys.executable})"
    if needed and version not in SpecifierSet(needed, prereleases=True):
        fix = "make PYTHON=python3.11 VENV=.venv311 install"
        text = f"{text}, but {needed} is needed"
        return Finding("Python", PROBLEM, text, fix, details)
    return Finding("Python", OK, text, details=details)


def _check_requirements(needed: Sequence[Requirement]) -> list[Finding]:
    installed = {r.name: _installed(r.name) for r in needed}
    bad = [r for r in needed if not _fits(r, installed[r.name])]
    if not bad:
        text = f"all {len(needed)} are in the ranges that were tested"
        return [Finding("packages", OK, text, details=installed)]
    fix = install_command(bad)
    return [
        Finding(
            "packages",
            PROBLEM,
            _describe(requirement, installed[requirement.name]),
            fix,
            {requirement.name: installed[requirement.name]},
        )
        for requirement in bad
    ]


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _fits(requirement: Requirement, version: str | None) -> bool:
    if version is None:
        return False
    try:
        # What was built from sources may call itself 3.17.1.dev0.
        return requirement.specifier.contains(Version(version), True)
    except InvalidVersion:
        return False


def _describe(requirement: Requirement, version: str | None) -> str:
    tested = range_of(requirement.specifier)
    if version is None:
        return f"{requirement.name} is missing; {tested} was tested"
    return f"{requirement.name} is {version}, but {tested} was tested"
