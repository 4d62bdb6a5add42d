"""The Chinese README says what the English one says, as far as tests see."""

import re

import doc_files

_ENGLISH, _CHINESE = "README.md", "README.zh-CN.md"


def words(document):
    return [command.words for command in doc_files.commands(document)]


def test_commands_are_the_same():
    assert sorted(words(_CHINESE)) == sorted(words(_ENGLISH))


def test_code_is_the_same():
    for languages in (["python"], ["bibtex"]):
        english, chinese = (
            doc_files.blocks(doc_files.read(name), *languages)
            for name in (_ENGLISH, _CHINESE)
        )
        assert english and chinese == english


def test_names_are_the_same():
    english, chinese = (
        sorted(doc_files.inline(doc_files.read(name)))
        for name in (_ENGLISH, _CHINESE)
    )
    assert chinese == english


def test_links_and_sections_are_the_same():
    links, sections, rows = [], [], []
    for name in (_ENGLISH, _CHINESE):
        text = doc_files.read(name)
        targets = re.findall(r"\]\(([^)\s]+)\)", text)
        links.append(sorted(set(targets) - {_ENGLISH, _CHINESE}))
        sections.append(len(re.findall(r"^## ", text, re.M)))
        rows.append(len(re.findall(r"^\|", text, re.M)))
    assert links[0] == links[1]
    assert sections[0] == sections[1]
    assert rows[0] == rows[1]


def test_each_leads_to_the_other():
    assert f"]({_CHINESE})" in doc_files.read(_ENGLISH)
    assert f"]({_ENGLISH})" in doc_files.read(_CHINESE)
