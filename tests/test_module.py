"""What modules say of the variables that Keras has made in them."""

import keras
import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Actor
from planet_tf2.evaluation.loading import load_agent
from planet_tf2.nets.module import Module


def same(left, right):
    return [*map(id, left)] == [*map(id, right)]


def test_of_an_agent_that_was_loaded(trained):
    agent = load_agent(trained.folder.path).run.agent
    model = agent.model
    expected = {id(v) for v in agent.trained_variables}
    for module in (model, agent.learner, agent, agent.actor()):
        assert {id(v) for v in module.trainable_variables} == expected
        assert expected <= {id(v) for v in module.variables}
        assert len(module.variables) == len({*map(id, module.variables)})
    assert {id(model.cell), id(model.encoder)} <= {*map(id, model.submodules)}
    assert same(model.variables, model.trainable_variables)
    weights = sum(np.prod(v.shape) for v in model.variables)
    stored = model.original_variables().values()
    assert weights == sum(np.prod(v.shape) for v in stored)


def test_layers_in_lists_and_dictionaries_and_those_that_are_frozen():
    class Inner(tf.Module):
        def __init__(self):
            self.layers = {"a": [keras.layers.Dense(3)], "b": ()}
            self.layers["a"][0].build((None, 2))

    class Mine(Actor):
        def __init__(self):
            self.inner = Inner()
            self.norm = keras.layers.BatchNormalization()
            self.norm.build((None, 4))
            self.frozen = keras.Sequential([keras.layers.Dense(5)])
            self.frozen.build((None, 3))
            self.frozen.trainable = False
            self.again = self.frozen
            self.count = tf.Variable(0, trainable=False)

    mine = Mine()
    dense = mine.inner.layers["a"][0]
    trainable = [*mine.norm.trainable_variables, *dense.trainable_variables]
    assert same(mine.trainable_variables, trainable)
    others = mine.non_trainable_variables
    assert {id(v) for v in others} == {
        *map(id, [mine.count, *mine.frozen.variables]),
        *map(id, mine.norm.non_trainable_variables),
    }
    assert len(mine.variables) == len(trainable) + len(others)
    assert mine.frozen.layers[0] in mine.submodules
    assert not Module().submodules
