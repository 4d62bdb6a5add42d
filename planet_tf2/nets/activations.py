"""The activation functions that the configuration can name."""

from collections.abc import Callable

import keras

_ACTIVATIONS = {
    "relu": keras.ops.relu,
    "elu": keras.ops.elu,
    "tanh": keras.ops.tanh,
    "swish": keras.ops.silu,
    "softplus": keras.ops.softplus,
    "none": lambda x: x,
}


def get_activation(name: str | Callable) -> Callable:
    """Returns the activation function called `name`.

    Args:
      name: one of relu, elu, tanh, swish, softplus, none; a function is
        returned as it is.

    Raises:
      ValueError: if there is no activation of that name.
    """
    if callable(name):
        return name
    try:
        return _ACTIVATIONS[name]
    except KeyError:
        raise ValueError(
            f"activation: got {name!r}, expected one of {sorted(_ACTIVATIONS)}."
        ) from None
