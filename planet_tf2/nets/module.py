"""Modules with Keras layers and optimizers in them."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import keras
import tensorflow as tf

_KERAS = (keras.layers.Layer, keras.optimizers.Optimizer)


class Module(tf.Module):
    """A `tf.Module` that also lists what Keras has made, which that overlooks.

    Attributes:
      submodules: modules, layers and optimizers at any depth.
      variables, trainable_variables, non_trainable_variables: of all of them.
    """

    @property
    def submodules(self) -> tuple[Any, ...]:
        found = [self]
        for module in found:  # It grows meanwhile.
            inside = tf.nest.flatten(list(vars(module).values()))
            found += _unique(
                x
                for x in inside
                if isinstance(x, (tf.Module, *_KERAS)) and x not in found
            )
        return tuple(found[1:])

    @property
    def variables(self) -> tuple[Any, ...]:
        parts = [x for x in self.submodules if isinstance(x, _KERAS)]
        return _unique(chain(super().variables, *(x.variables for x in parts)))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        layers = [x for x in self.submodules if isinstance(x, _KERAS[0])]
        own = super().trainable_variables
        return _unique(chain(own, *(x.trainable_variables for x in layers)))

    @property
    def non_trainable_variables(self) -> tuple[Any, ...]:
        trainable = {id(x) for x in self.trainable_variables}
        return tuple(x for x in self.variables if id(x) not in trainable)


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple({id(x): x for x in values}.values())
