"""What programs have in common: flags, a line for a mistake, and a status."""

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from absl import app, flags

from planet_tf2.tools import streams
from planet_tf2.tools.plain_text import one_line

# What shells give to programs that Ctrl-C ended.
INTERRUPTED = 130

# Errors that are no fault of the program; others come with a traceback.
EXPLAINED = (ValueError, ArithmeticError, RuntimeError, OSError)

# Flags that are defined here belong to the program that asks for them.
flags.disclaim_key_flags()


def path(text: str) -> str:
    """Returns a path that a user named, with `~` replaced.

    Raises:
      ValueError: It cannot be meant as a path on this machine.
    """
    expanded = os.path.expanduser(text)
    if not text.strip():
        raise ValueError("the name of a file or folder is missing.")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError(f"{text!r} has control characters in it.")
    if re.match(r"\w[\w+.-]+://", text):
        raise ValueError(
            f"{text!r} is a URL, and not a path of this machine. Name one, "
            "such as where that storage is mounted."
        )
    if expanded.startswith("~"):
        raise ValueError(
            f"{text!r} is of no known user. Did you mean ./{text}?"
        )
    return expanded


def define_path(name: str, default: str | None, about: str, **kwargs: Any):
    """Defines a flag that names a file or a folder, see `path`."""
    return flags.DEFINE(_Path(), name, default, about, **kwargs)


def define_paths(
    name: str, default: list[str] | None, about: str, **kwargs: Any
):
    """Defines such a flag that can be given several times."""
    serializer = flags.ArgumentSerializer()
    return flags.DEFINE_multi(
        _Path(), serializer, name, default, about, **kwargs
    )


class _Path(flags.ArgumentParser):
    def parse(self, argument: str) -> str:
        return path(argument)


class _Once:
    """Parses as another parser does, but a second value is a mistake."""

    def __init__(self, parser: Any) -> None:
        self._parser = getattr(parser, "_parser", parser)
        self._seen: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def parse(self, argument: Any) -> Any:
        value = self._parser.parse(argument)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("that is not a finite number.")
        if self._seen and self._seen != [value]:
            raise ValueError(f"given twice, before as {self._seen[0]}.")
        self._seen = [value]
        return value


def start(
    work: Callable[..., int | None],
    names: bool = False,
    has_results: bool = False,
) -> None:
    """Parses the command line, works, and ends the program.

    Args:
      work: What `run` calls.
      names: Whether paths can stand behind the flags; `work` is given the list
        of them.
      has_results: See `streams.keep_going`.
    """

    def main(rest: list[Any]) -> int:
        streams.keep_going(has_results)
        return run(work, *rest)

    streams.keep_going()
    app.run(
        main,
        flags_parser=lambda argv: parse_flags(argv, names),
    )


def parse_flags(argv: list[str], names: bool = False) -> list[list[str]]:
    """Parses the command line; a mistake in it ends the program.

    Returns:
      What `work` is to be called with, see `start`.
    """
    for flag in map(flags.FLAGS.__getitem__, flags.FLAGS):
        if not isinstance(flag, flags.MultiFlag):
            flag.parser = _Once(flag.parser)
    try:
        rest = flags.FLAGS(argv)[1:]
        if rest and not names:
            raise flags.Error(f"Not understood: {' '.join(rest)}")
        return [[path(name) for name in rest]] if names else []
    except (flags.Error, ValueError) as error:
        text = f"{one_line(error, 400)}{nested_hint(error, flags.FLAGS)}"
        sys.exit(f"Error: {text} (--help lists what there is.)")


def nested_hint(error: Exception, known: Iterable[str]) -> str:
    """Suggests `actor.entropy` if the unknown flag is called `entropy`."""
    name = getattr(error, "flagname", None)
    places = [x for x in known if x.rpartition(".")[2] == name and x != name]
    return f". Did you mean: {places[0]} ?" if places else ""


def run(work: Callable[..., int | None], *arguments: Any) -> int:
    """Works, and says in a line what went wrong.

    Returns:
      The status that the program is to exit with; 0 if all went well.
    """
    # TensorFlow reads this when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        status = work(*arguments)
        sys.stdout.flush()
        return status or 0
    except streams.ReaderGone:
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except EXPLAINED as error:
        text = getattr(error, "summary", None) or str(error)
        text = "\n".join(map(one_line, text.split("\n")))
        print(f"Error: {text or type(error).__name__}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Discards what goes to the standard error below Python, for a while.

    TensorFlow's libraries tell of missing GPUs when they are loaded, before
    any setting for the level of their log takes effect. Exceptions are not
    affected: Python reports them after the block. Nothing is silenced where
    TF_CPP_MIN_LOG_LEVEL is 0, which asks for all messages.
    """
    # TensorFlow reads this when it is imported.
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") == "0":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
