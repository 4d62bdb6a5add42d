"""Weights of a module by the variable names of the original program.

A module that takes part offers `original_variables()`, a dictionary from the
name that the original gives a variable (`transition/dense_1/kernel`) to the
variable here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


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


def load_weights(module: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Assigns arrays to a module's variables by their original names.

    Args:
      module: anything with `original_variables()`, built.
      arrays: an array for every variable of the module, by original name.

    Raises:
      WeightsError: if names are missing, unused or misshapen; it lists all of
        them, and nothing is assigned.
    """
    variables = module.original_variables()
    problems = [f"missing: {n}" for n in sorted(set(variables) - set(arrays))]
    problems += [f"unused: {n}" for n in sorted(set(arrays) - set(variables))]
    for name in sorted(set(variables) & set(arrays)):
        expected = tuple(variables[name].shape)
        received = np.shape(arrays[name])
        if expected != received:
            problems.append(
                f"misshapen: {name} is {received}, expected {expected}"
            )
    if problems:
        raise WeightsError(
            f"These weights do not fit {type(module).__name__}:\n  "
            + "\n  ".join(problems)
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def save_weights(module: Any) -> dict[str, np.ndarray]:
    """Returns a module's variables as arrays by their original names."""
    return {
        name: variable.numpy()
        for name, variable in module.original_variables().items()
    }
