"""What the documentation says: its commands, code, links and words."""

import pathlib
import re
import shlex
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
)
SHELLS = ("sh", "bash", "console", "shell")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
_PROGRAMS = ("python ", "make ", "pip install", "apt-get ", "tensorboard ")
_PROGRAMS += ("xvfb-run ", "Xvfb ", "unset ", "export ")


class Command(NamedTuple):
    """A command that a document tells to run.

    Attributes:
      document: path of the document.
      words: program and arguments, without what redirects or joins them.
    """

    document: str
    words: tuple[str, ...]

    def __str__(self):
        return f"{self.document}: {shlex.join(self.words)}"


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(text, *languages):
    """Returns the contents of fenced blocks in some languages."""
    return [body for name, body in _BLOCK.findall(text) if name in languages]


def prose(text):
    """Returns a text without its fenced blocks."""
    return _BLOCK.sub("", text)


def inline(text):
    """Returns what is between backticks, each in a line."""
    return [" ".join(code.split()) for code in _INLINE.findall(prose(text))]


def commands(document):
    """Returns all commands of a document, from blocks and from the text."""
    text = read(document)
    lines = []
    for body in blocks(text, *SHELLS):
        lines += _statements(body)
    lines += [c for c in inline(text) if c.startswith(_PROGRAMS)]
    found = []
    for line in lines:
        found += [Command(document, words) for words in split(line)]
    return found


def split(line):
    """Returns the commands of a line, joined by `&&`, `;`, `|` or `&`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    found, words = [], []
    for word in lexer:
        if set(word) <= set(";&|"):
            found.append(words)
            words = []
        else:
            words.append(word)
    return [tuple(words) for words in [*found, words] if words]


def _statements(body):
    """Splits a block to statements, which may go over several lines."""
    found, open_text = [], ""
    for line in body.replace("\\\n", " ").splitlines():
        open_text = f"{open_text}\n{line}" if open_text else line
        try:
            words = shlex.split(open_text, comments=True)
        except ValueError:  # A quote is still open.
            continue
        if words:
            found.append(open_text)
        open_text = ""
    assert not open_text, f"A quote does not end: {open_text}"
    return found


def links(text):
    """Returns pairs of text and target of all links, pictures included."""
    return _LINK.findall(prose(text))


def anchors(text):
    """Returns the names that headings have in links, as GitHub makes them."""
    names = []
    for title in re.findall(r"^#+ (.+)$", prose(text), re.M):
        title = re.sub(r"[`*]", "", title.strip()).lower()
        name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        again = names.count(name)
        names.append(f"{name}-{again}" if again else name)
    return names
