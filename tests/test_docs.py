"""What the documentation says of the code is there."""

import ast
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_DOCUMENTS = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("algorithm", "architecture", "planning", "experiments")
    ),
)
_FILE = re.compile(r"`(\w+(?:/\w+)+\.py)`((?:[:,] `[\w.]+`)*)")


def _references():
    """Yields documents, files and the names that are to be in them."""
    for name in _DOCUMENTS:
        for path, names in _FILE.findall((_ROOT / name).read_text()):
            yield name, path, tuple(re.findall(r"`([\w.]+)`", names))


def _names(body, prefix=""):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _names(node.body, f"{node.name}.")


@pytest.mark.parametrize(
    ("document", "path", "names"), sorted(set(_references()))
)
def test_functions_are_where_it_says(document, path, names):
    file = _ROOT / "planet_tf2" / path
    if not file.exists():
        file = _ROOT / path
    defined = set(_names(ast.parse(file.read_text()).body))
    assert set(names) <= defined, f"{document} on {path}"


def test_many_are_found():
    names = [name for _, _, names in _references() for name in names]
    assert len(names) > 40


def test_formulas_are_closed():
    text = (_ROOT / "docs" / "algorithm.md").read_text()
    assert text.count("```") % 2 == 0
    outside = re.sub(r"```math.*?```", "", text, flags=re.DOTALL)
    assert outside.count("$") % 2 == 0
    lefts, rights = (
        len(re.findall(rf"\\{side}[\[(]|\\{side}[\])]", text))
        for side in ("left", "right")
    )
    assert lefts == rights > 10
    # Markdown takes these for escapes where a formula is not a block.
    inline = re.findall(r"\$([^$]+)\$", outside)
    assert len(inline) > 40
    assert not [text for text in inline if re.search(r"\\[^\w]|\|", text)]
    blocks = re.findall(r"```math(.*?)```", text, re.DOTALL)
    assert len(blocks) > 10
    for block in blocks:
        bare = re.sub(r"\\[{}]", "", block)
        assert bare.count("{") == bare.count("}")
