"""Links of the documentation lead somewhere."""

import re

import pytest
from doc_files import DOCUMENTS, ROOT, anchors, links, read

LINKS = sorted(
    {
        (document, target)
        for document in DOCUMENTS
        for _, target in links(read(document))
        if not re.match(r"https?://", target)
    }
)


@pytest.mark.parametrize("document, target", LINKS)
def test_link(document, target):
    path, _, anchor = target.partition("#")
    place = (ROOT / document).parent / path if path else ROOT / document
    assert place.exists(), f"{document} links to {target}."
    if anchor:
        text = place.read_text(encoding="utf-8")
        assert anchor in anchors(text), f"{anchor} of {anchors(text)}"


def test_there_are_many():
    assert len(LINKS) > 30
    assert any("#" in target for _, target in LINKS)


@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if name.startswith("docs/")]
)
def test_every_document_can_be_found(document):
    """From the README or from another one."""
    name = document.removeprefix("docs/")
    others = [other for other in DOCUMENTS if other != document]
    assert any(
        target.partition("#")[0].endswith(name)
        for other in others
        for _, target in links(read(other))
    )


def test_anchors_are_those_of_github():
    text = "# Why is the score `nan`?\n\n## A, b\n\n## A, b\n"
    assert anchors(text) == ["why-is-the-score-nan", "a-b", "a-b-1"]
