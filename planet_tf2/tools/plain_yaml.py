"""YAML that says what people mean by it: plain data, without surprises.

Read like other YAML, but for what a person reads otherwise than a program:
`010` is no octal number and `1:30` none of base 60; these, dates and `1e-4` are
texts, of which the reader makes a number or an error. A key twice, a comma that
splits a value, and tags such as `!!int` are errors. So is what is too large,
also by aliases. Whatever `yaml.safe_dump` writes reads back equal.
"""

import re
from typing import Any, NoReturn

import yaml

MAX_LENGTH = 30_000  # In characters, with all that aliases stand for.
_MAX_DEPTH = 20


def read(text: str) -> Any:
    """Returns what a text says: None, numbers, texts, lists, dictionaries.

    Raises:
      ValueError: What is wrong, and where, in one line.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(
            f"{len(text)} characters are too many, {MAX_LENGTH} are allowed"
        )
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else loader.plain(node)
    except yaml.YAMLError as error:
        raise ValueError(_describe(error)) from None


class _Loader(yaml.SafeLoader):
    """Resolves less than YAML 1.1, and nothing in another way."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    _depth = 0
    _size = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            _refuse(f"tags such as {tag!r} are not understood", event)
        self._enter(event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def plain(self, node: yaml.Node) -> Any:
        """Returns what a node stands for."""
        self._size += 1 + len(node.value)
        if self._size > MAX_LENGTH:
            _refuse("aliases make too much of it", node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._enter(node)
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node)
        else:
            value = [self.plain(item) for item in node.value]
        self._depth -= 1
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        value = self.construct_object(node)
        if not isinstance(value, str):
            return value
        try:  # JSON writes characters in two halves.
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            _refuse("half of a character is missing", node)

    def _enter(self, place: Any) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            _refuse("lists and mappings are too deep", place)

    def _mapping(self, node: yaml.MappingNode) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _refuse("a list or mapping cannot be a name", key)
            is_empty = value.start_mark.index == value.end_mark.index
            if node.flow_style and is_empty:
                before = f" behind {list(mapping)[-1]!r}" if mapping else ""
                _refuse(
                    f"{key.value!r}{before} has no value (put a space after "
                    "':', lists in [], no commas into numbers)",
                    key,
                )
            name = self.plain(key)
            if name in mapping:
                _refuse(f"{name!r} is given twice", key)
            mapping[name] = self.plain(value)
        return mapping


def _resolve(kind: str, first: str, pattern: str) -> None:
    regexp = re.compile(f"(?:{pattern})$", re.ASCII)
    tag = f"tag:yaml.org,2002:{kind}"
    _Loader.add_implicit_resolver(tag, regexp, list(first) or [""])


_DIGITS = "-+.0123456789"
_resolve("null", "~nN", "~|null|Null|NULL")
_resolve("null", "", "")
_resolve("bool", "yYtToO", "yes|Yes|YES|true|True|TRUE|on|On|ON")
_resolve("bool", "nNfFoO", "no|No|NO|false|False|FALSE|off|Off|OFF")
_resolve("int", _DIGITS, "[-+]?(0|[1-9][0-9]{0,17})")
_resolve("float", _DIGITS, r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_resolve("float", _DIGITS, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def _refuse(problem: str, place: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _describe(error: yaml.YAMLError) -> str:
    """Returns what is wrong, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    problem = " ".join(f"{problem} {context or ''}".split())
    if mark is None:
        return problem
    return f"{problem} at line {mark.line + 1}, column {mark.column + 1}"
