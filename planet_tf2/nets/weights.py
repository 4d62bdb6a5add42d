"""Weights of a module by the variable names of the original program.

A module that takes part offers `original_variables()`, a dictionary from the
name that the original gives a variable (`transition/dense_1/kernel`) to the
variable here.
"""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from planet_tf2.nets import original_names


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
    variables = module.original_variables()
    chosen = {
        name: np.asarray(array)
        for name, array in arrays.items()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignore)
    }
    names, problems = original_names.match(
        {name: tuple(value.shape) for name, value in variables.items()},
        {name: array.shape for name, array in chosen.items()},
        scope,
    )
    problems += [
        f"no numbers: {name} is {chosen[name].dtype}"
        for name in sorted(names.values())
        if not _is_real(chosen[name])
    ]
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
    rename = original_names.block_name if block_names else str
    prefix = f"{scope.rstrip('/')}/" if scope else ""
    return {
        prefix + rename(name): variable.numpy()
        for name, variable in module.original_variables().items()
    }


def _is_real(array: np.ndarray) -> bool:
    kinds = (np.floating, np.integer)
    # Of TensorFlow's bfloat16 NumPy only knows the name.
    return any(np.issubdtype(array.dtype, kind) for kind in kinds) or (
        array.dtype.name == "bfloat16"
    )
