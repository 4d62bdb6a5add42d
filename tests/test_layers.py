"""Who may import whom.

    scripts
    engines
    evaluation, doctor, exchange, train      (not each other)
    experiment, training           (not each other)
    control
    agents
    configs
    envs, data, nets               (not each other)
    tools

Everything may import what is below it. Nothing above `agents` knows which
agents there are: it goes through `agents` itself and `agents.agent`. The rules
are checked in the syntax tree, so imports that happen later or never count too.
"""

import ast
import functools
import json
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = "planet_tf2"

_LAYERS = [
    {"tools"},
    {"envs", "data", "nets"},
    {"configs"},
    {"agents"},
    {"control"},
    {"experiment", "training"},
    {"evaluation", "doctor", "exchange", "train"},
    {"engines"},
]

_TENSORFLOW = ("tensorflow", "tensorflow_probability", "keras", "tf_keras")

# Loaded by the processes that render, which must not load TensorFlow: in one
# process, it and software OpenGL crash each other. Also by those who only
# want to look at settings or files.
_WITHOUT_TENSORFLOW = [
    f"{_PACKAGE}",
    f"{_PACKAGE}.agents",
    f"{_PACKAGE}.agents.dreamer",
    f"{_PACKAGE}.agents.dreamer.parameters",
    f"{_PACKAGE}.agents.dreamer.presets",
    f"{_PACKAGE}.agents.planet",
    f"{_PACKAGE}.agents.planet.parameters",
    f"{_PACKAGE}.agents.planet.presets",
    f"{_PACKAGE}.data",
    f"{_PACKAGE}.doctor",
    f"{_PACKAGE}.doctor.examination",
    f"{_PACKAGE}.doctor.simulator_probe",
    f"{_PACKAGE}.evaluation",
    f"{_PACKAGE}.evaluation.report",
    f"{_PACKAGE}.evaluation.report.report",
    f"{_PACKAGE}.tools",
    f"{_PACKAGE}.tools.attr_dict",
    f"{_PACKAGE}.tools.journal",
    f"{_PACKAGE}.tools.nearest",
    f"{_PACKAGE}.tools.signals",
    f"{_PACKAGE}.training",
    f"{_PACKAGE}.version",
]

# Whole rooms that must not load it.
_ROOMS_WITHOUT_TENSORFLOW = (
    "configs",
    "data",
    "envs",
    "exchange",
    "experiment",
)


def _module_name(path):
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_MODULES = {
    _module_name(path): path
    for path in sorted((_ROOT / _PACKAGE).rglob("*.py"))
}


@functools.cache
def _tree(name):
    return ast.parse(_MODULES[name].read_text(), str(_MODULES[name]))


def _imports(node):
    """Yields the modules that the import statements below a node load."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "Write absolute imports."
            for alias in child.names:
                # Either a module or something that is in one.
                name = f"{child.module}.{alias.name}"
                yield name if name in _MODULES else child.module


def _layer(name):
    """Returns the subpackage and its height, counted from below."""
    parts = name.split(".")
    if len(parts) < 2 or parts[1] == "version":
        return None, None
    for height, layer in enumerate(_LAYERS):
        if parts[1] in layer:
            return parts[1], height
    raise AssertionError(f"{name} is in no layer.")


def _with_parents(name):
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _loads_tensorflow(name):
    """Returns the chain of imports to TensorFlow, or None."""
    seen, chains = set(), [[name]]
    while chains:
        chain = chains.pop()
        if chain[-1].split(".")[0] in _TENSORFLOW:
            return chain
        for module in _with_parents(chain[-1]):
            if module in _MODULES and module not in seen:
                seen.add(module)
                chains += [[*chain, other] for other in _imports(_tree(module))]
    return None


def _without_tensorflow():
    """Yields the modules that must not load TensorFlow."""
    yield from _WITHOUT_TENSORFLOW
    for name in _MODULES:
        if name.split(".")[1:2] and name.split(".")[1] in (
            _ROOMS_WITHOUT_TENSORFLOW
        ):
            yield name


def test_the_rules_are_about_files_that_exist():
    assert set(_WITHOUT_TENSORFLOW) <= set(_MODULES)
    packages = {name.split(".")[1] for name in _MODULES if name.count(".") > 1}
    assert packages <= set.union(*_LAYERS)
    assert len(_MODULES) > 10


@pytest.mark.parametrize("name", _MODULES)
def test_imports_go_downwards(name):
    package, height = _layer(name)
    for other in _imports(_tree(name)):
        if other.split(".")[0] != _PACKAGE:
            assert other.split(".")[0] != "scripts"
            continue
        other_package, other_height = _layer(other)
        if other_package is None or package is None:
            # The package itself says its version, looks at the system and
            # loads the rest lazily.
            own = f"{_PACKAGE}.version", f"{_PACKAGE}.tools.system"
            assert package is not None or other in own
            continue
        assert other_package == package or other_height < height, (
            f"{name} must not import {other}."
        )


@pytest.mark.parametrize("name", _MODULES)
def test_only_agents_know_agents(name):
    """Neither agent imports the other; nobody else imports one of them."""
    own = name.split(".")[1:3]
    for other in _imports(_tree(name)):
        room = other.split(".")[1:3]
        if len(room) == 2 and room[0] == "agents" and _is_agent(room[1]):
            assert own == room, f"{name} must not import {other}."


def _is_agent(folder):
    return (_ROOT / _PACKAGE / "agents" / folder).is_dir()


def test_there_are_no_circles():
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path, name])
        if name in done:
            return
        path.append(name)
        for other in _imports(_tree(name)):
            if other in _MODULES and other != name:
                visit(other)
        path.pop()
        done.add(name)

    for name in _MODULES:
        visit(name)
    assert done == set(_MODULES)


@pytest.mark.parametrize("name", _MODULES)
def test_no_imports_inside_of_functions(name):
    for node in ast.walk(_tree(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert not [
                other
                for other in _imports(node)
                if other.split(".")[0] == _PACKAGE
            ], f"{node.name} in {name} imports something of the package."


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, path in _MODULES.items()
        # That of agents also finds them.
        if path.stem == "__init__" and name != f"{_PACKAGE}.agents"
    ],
)
def test_packages_only_export(name):
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    for node in _tree(name).body:
        assert isinstance(node, allowed), (
            f"Line {node.lineno} of {name} does more than to export."
        )


@pytest.mark.parametrize("name", sorted({*_without_tensorflow()}))
def test_imports_lead_to_no_tensorflow(name):
    chain = _loads_tensorflow(name)
    assert chain is None, " -> ".join(chain)


def test_chains_of_imports_are_followed():
    for name in ("agents.planet.rssm", "training.session"):
        chain = _loads_tensorflow(f"{_PACKAGE}.{name}")
        assert chain[-1].startswith(_TENSORFLOW)


@pytest.mark.parametrize(
    "modules",
    [
        [_PACKAGE],
        [f"{_PACKAGE}.envs"],
        [f"{_PACKAGE}.envs.worker", f"{_PACKAGE}.configs.builders"],
        sorted({*_without_tensorflow()}),
    ],
    ids=["package", "envs", "worker", "all"],
)
def test_no_tensorflow_is_loaded(modules):
    """Imports for real, since libraries import libraries."""
    code = (
        "import importlib, json, sys; "
        f"[importlib.import_module(name) for name in {modules!r}]; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert set(modules) <= loaded
    assert not loaded & set(_TENSORFLOW)


_PACKAGES = [
    name for name, path in _MODULES.items() if path.name == "__init__.py"
]


def _lazy_names(package):
    """Yields the submodules and names that a package resolves lazily."""
    for node in ast.walk(_tree(package)):
        if isinstance(node, ast.keyword) and node.arg == "submodules":
            for module in ast.literal_eval(node.value):
                yield module, None
        elif isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            for module, names in ast.literal_eval(node.value).items():
                yield from ((module, name) for name in names)


def _top_level_names(module):
    for node in _tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = getattr(node, "targets", None) or [node.target]
            for target in targets:
                yield from (
                    part.id
                    for part in ast.walk(target)
                    if isinstance(part, ast.Name)
                )


@pytest.mark.parametrize("package", _PACKAGES)
def test_names_of_a_package_are_where_it_says(package):
    """A wrong one would show only when somebody uses it."""
    for module, name in _lazy_names(package):
        assert f"{package}.{module}" in _MODULES
        if name is not None:
            assert name in _top_level_names(f"{package}.{module}"), name


def test_packages_have_names():
    assert sum(1 for p in _PACKAGES for _ in _lazy_names(p)) > 50
