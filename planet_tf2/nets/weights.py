"""Weights of a module by the variable names of the original program.

A module that takes part offers `original_variables()`, a dictionary from the
name that the original gives a variable (`transition/dense_1/kernel`) to the
variable here.

A checkpoint of the original calls the same variable by a longer or a shorter
name, depending on what was saved: `graph/rnn/rssm/transition/dense/kernel` of
the whole model is `graph/transition/dense/kernel` of a cell alone. And its
fused GRU has names of its own, which one revision of TensorFlow mixed up:

    gates/kernel      w_ru     [D + H, 2 H]
    gates/bias        b_ru     [2 H]
    candidate/kernel  w_c      [D + H, H]
    candidate/bias    b_c      [H]
"""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# What all variables of a whole program are in.
_ROOT = "graph/"

_BLOCK_NAMES = {
    "w_ru": "gates/kernel",
    "b_ru": "gates/bias",
    "w_c": "candidate/kernel",
    "b_c": "candidate/bias",
}
_SWAPPED = {"w_ru": "w_c", "b_ru": "b_c", "w_c": "w_ru", "b_c": "b_ru"}


class WeightsError(ValueError):
    """Arrays do not fit the variables that they are meant for."""


def name_dense_layers(scope: str, layers: Iterable[Any]) -> dict[str, Any]:
    """Names the variables of layers as TensorFlow 1 did: dense, dense_1, ...

    Args:
      scope: the name of the layers' scope or the layers' own base name, such
        as `transition/dense`.
      layers: layers with a `kernel` and a `bias`, in the order of use.

    Returns:
      Dictionary from variable name to variable.
    """
    named = {}
    for index, layer in enumerate(layers):
        prefix = scope if index == 0 else f"{scope}_{index}"
        named[f"{prefix}/kernel"] = layer.kernel
        named[f"{prefix}/bias"] = layer.bias
    return named


def prefix_names(prefix: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """Puts `prefix/` before every name."""
    return {f"{prefix}/{name}": value for name, value in named.items()}


def load_weights(
    module: Any,
    arrays: Mapping[str, np.ndarray],
    scope: str = "",
    ignore: Iterable[str] = (),
) -> None:
    """Assigns arrays to a module's variables by their original names.

    Names may begin as they do in the original's checkpoints: those of a cell
    with `graph/` or `graph/rnn/rssm/`, those of a head with
    `graph/head_reward/`, and so on; all of them with the same, though. The
    variables of a GRU may be called `w_ru, b_ru, w_c, b_c`, also by the
    revision of TensorFlow that swapped them.

    Args:
      module: a cell, encoder, head or world model, built. In general anything
        with `original_variables()`.
      arrays: an array for every variable of the module, by original name.
      scope: take only the names that begin with `scope/`, such as
        `graph/encoder` of the arrays of a whole model. By default every array
        has to be used.
      ignore: patterns, as of files, for names that do not matter, such as
        `*/Adam*`.

    Raises:
      WeightsError: if names are missing, unused or misshapen, or arrays are no
        numbers; it lists all of them, and nothing is assigned.
    """
    variables = {
        name.removeprefix(_ROOT): variable
        for name, variable in module.original_variables().items()
    }
    chosen = {
        name: np.asarray(array)
        for name, array in arrays.items()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignore)
    }
    if scope:
        prefix = f"{scope.rstrip('/')}/"
        chosen = {n: a for n, a in chosen.items() if n.startswith(prefix)}
    else:
        prefix = _prefix(variables, chosen)
    names, problems = _match(variables, chosen, prefix)
    if problems:
        raise WeightsError(
            f"These weights do not fit {type(module).__name__}:\n  "
            + "\n  ".join(problems)
        )
    for name, variable in variables.items():
        variable.assign(chosen[names[name]].astype(np.float32))


def save_weights(
    module: Any, scope: str = "", block_names: bool = False
) -> dict[str, np.ndarray]:
    """Returns a module's variables as arrays by their original names.

    Args:
      module: a cell, encoder, head or world model, built.
      scope: what to put before the names, such as `graph/rnn/rssm`. The names
        of a world model begin with `graph/` already.
      block_names: whether to call the variables of a GRU `w_ru, b_ru, w_c, b_c`
        as in the original's own checkpoints.
    """
    prefix = f"{scope.rstrip('/')}/" if scope else ""
    result = {}
    for name, variable in module.original_variables().items():
        for theirs, ours in _BLOCK_NAMES.items() if block_names else ():
            if name.endswith(ours):
                name = name.removesuffix(ours) + theirs
        result[prefix + name] = variable.numpy()
    return result


def _prefix(variables: Iterable[str], names: Iterable[str]) -> str:
    """Returns what all names begin with, from that of one variable."""
    # The shortest name belongs to a dense layer or convolution, which has only
    # this one, and no other one ends like it and begins as early.
    ending = min(variables, key=len)
    found = [name for name in names if f"/{name}".endswith(f"/{ending}")]
    return min(found, key=len, default=ending).removesuffix(ending)


def _match(
    variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray], prefix: str
) -> tuple[dict[str, str], list[str]]:
    """Finds an array for every variable.

    Returns:
      Names of arrays by names of variables, and a list of what is wrong.
    """
    shapes = {name: tuple(value.shape) for name, value in variables.items()}
    found: dict[str, str] = {}
    problems = []
    for name, array in sorted(arrays.items()):
        variable = _variable(name.removeprefix(prefix), array.shape, shapes)
        if variable not in shapes or not name.startswith(prefix):
            problems.append(f"unused: {name}")
        elif variable in found:
            problems.append(f"given twice: {found[variable]} and {name}")
        else:
            found[variable] = name
            if array.shape != shapes[variable]:
                problems.append(
                    f"misshapen: {name} is {array.shape}, expected "
                    f"{shapes[variable]}"
                )
            # Of TensorFlow's bfloat16 NumPy only knows the name.
            if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
                problems.append(f"no numbers: {name} is {array.dtype}")
    missing = sorted(shapes.keys() - found.keys())
    return found, [*(f"missing: {prefix}{n}" for n in missing), *problems]


def _variable(
    name: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Returns the variable that an array belongs to, in a GRU by its shape."""
    scope, slash, last = name.rpartition("/")
    if last not in _BLOCK_NAMES:
        return name
    own, swapped = (
        scope + slash + _BLOCK_NAMES[n] for n in (last, _SWAPPED[last])
    )
    return swapped if shapes.get(swapped) == shape else own
