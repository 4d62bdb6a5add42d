"""Finds the arrays for a module's variables by the original's names.

A checkpoint of the original calls the same variable by a longer or a shorter
name, depending on what was saved: `graph/rnn/rssm/transition/dense/kernel` of
the whole model is `graph/transition/dense/kernel` of a cell alone. And its
fused GRU has names of its own, which one revision of TensorFlow mixed up:

    gates/kernel      w_ru     [D + H, 2 H]
    gates/bias        b_ru     [2 H]
    candidate/kernel  w_c      [D + H, H]
    candidate/bias    b_c      [H]
"""

import collections
from collections.abc import Iterable, Mapping

Shapes = Mapping[str, tuple[int, ...]]

# What all variables of a whole program are in.
ROOT = "graph"

_BLOCK_NAMES = {
    "gates/kernel": "w_ru",
    "gates/bias": "b_ru",
    "candidate/kernel": "w_c",
    "candidate/bias": "b_c",
}


def block_name(name: str) -> str:
    """Returns what the fused GRU calls a variable; others keep their name."""
    for ours, theirs in _BLOCK_NAMES.items():
        if name.endswith(f"/{ours}") or name == ours:
            return name.removesuffix(ours) + theirs
    return name


def without_root(name: str) -> str:
    """Returns a name relative to the whole program."""
    return name.removeprefix(f"{ROOT}/")


def match(
    variables: Shapes, arrays: Shapes, scope: str = ""
) -> tuple[dict[str, str], list[str]]:
    """Finds an array for every variable.

    Args:
      variables: shapes of a module's variables, by name.
      arrays: shapes of what was given, by name.
      scope: what the arrays' names have before those of the variables; others
        are left out. By default the one that fits best, and none are.

    Returns:
      Names of arrays by names of variables, and a list of what is wrong.
    """
    if scope:
        prefix = f"{scope.rstrip('/')}/"
        others = [name for name in arrays if name.startswith(prefix)]
    else:
        prefix, others = _best_prefix(variables, arrays), list(arrays)
    wanted = _wanted(variables, prefix)
    found: dict[str, list[str]] = collections.defaultdict(list)
    problems = []
    for name in sorted(others):
        if name in wanted:
            found[wanted[name]].append(name)
        else:
            problems.append(f"unused: {name}")
    _swap_back(found, variables, arrays)
    for variable, shape in variables.items():
        names = found[variable]
        if not names:
            problems.append(f"missing: {prefix}{without_root(variable)}")
        elif len(names) > 1:
            problems.append(f"given twice: {' and '.join(names)}")
        elif arrays[names[0]] != shape:
            problems.append(
                f"misshapen: {names[0]} is {arrays[names[0]]}, expected {shape}"
            )
    order = ("missing", "unused", "misshapen", "given twice")
    problems.sort(key=lambda text: (order.index(text.split(":")[0]), text))
    return {variable: names[0] for variable, names in found.items() if names}, (
        problems
    )


def _wanted(variables: Iterable[str], prefix: str) -> dict[str, str]:
    """Returns the variable for each of the names that it may go by."""
    wanted = {}
    for variable in variables:
        name = prefix + without_root(variable)
        wanted |= {name: variable, block_name(name): variable}
    return wanted


def _best_prefix(variables: Iterable[str], names: Iterable[str]) -> str:
    """Returns the prefix under which most of the variables are found."""
    endings = list(_wanted(variables, ""))
    counts: collections.Counter[str] = collections.Counter()
    for name in names:
        for ending in endings:
            prefix = name.removesuffix(ending)
            if prefix != name and (not prefix or prefix.endswith("/")):
                counts[prefix] += 1
    # Of several the shortest, and the first by the alphabet.
    return min(counts, key=lambda p: (-counts[p], len(p), p), default="")


def _swap_back(
    found: dict[str, list[str]], variables: Shapes, arrays: Shapes
) -> None:
    """Undoes that w_ru and w_c, or b_ru and b_c, have changed places."""
    for gates in variables:
        scope, ending, kind = gates.rpartition("gates/")
        candidate = f"{scope}candidate/{kind}"
        if not ending or candidate not in variables:
            continue
        pair = found[gates], found[candidate]
        if [len(names) for names in pair] != [1, 1]:
            continue
        shapes = tuple(arrays[names[0]] for names in pair)
        if shapes == (variables[candidate], variables[gates]):
            found[gates], found[candidate] = found[candidate], found[gates]
