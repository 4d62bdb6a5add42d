"""What the documentation speaks of is there: files, functions, links."""

import ast
import re

import pytest
from doc_files import DOCUMENTS, ROOT, anchors, links, read

_FILE = re.compile(r"`(\w+(?:/\w+)+\.py)`((?:: `[\w.]+`(?:, `[\w.]+`)*)?)")
_PATH = re.compile(
    r"(?<![\w/])(?:scripts|benchmarks|tests|docs)/[\w/]+\.(?:py|sh|md)"
)


def _references():
    """Yields documents, files and the names that are to be in them."""
    for document in DOCUMENTS:
        for path, names in _FILE.findall(read(document)):
            yield document, path, tuple(re.findall(r"`([\w.]+)`", names))


def _names(body, prefix=""):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _names(node.body, f"{node.name}.")
        if isinstance(node, ast.Assign):
            yield from (t.id for t in node.targets if hasattr(t, "id"))


@pytest.mark.parametrize(
    "document, path, names", sorted(set(_references())), ids=str
)
def test_functions_are_where_it_says(document, path, names):
    file = ROOT / "planet_tf2" / path
    if not file.exists():
        file = ROOT / path
    defined = set(_names(ast.parse(file.read_text()).body))
    assert set(names) <= defined, f"{document} on {path}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_exist(document):
    for path in _PATH.findall(read(document)):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for _, target in links(read(document)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / document).parent / path if path else ROOT / document
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), target


@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if name.startswith("docs/")]
)
def test_pages_can_be_found(document):
    targets = [target for _, target in links(read("README.md"))]
    assert document in {target.partition("#")[0] for target in targets}


@pytest.mark.parametrize(
    "name", sorted(p.name for p in (ROOT / "scripts").glob("[a-z]*.py"))
)
def test_programs_are_described(name):
    assert name in "".join(read(document) for document in DOCUMENTS)
