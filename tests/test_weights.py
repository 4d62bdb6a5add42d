import numpy as np
import pytest
from tf_fakes import tiny_params

from planet_tf2.configs.assemble import make_model
from planet_tf2.networks import FeedForward
from planet_tf2.tools import weights


@pytest.fixture
def head():
    head = FeedForward((), 1, 4)
    head.build(3)
    return head


SHAPES = {
    "dense/kernel": (3, 4),
    "dense/bias": (4,),
    "dense_1/kernel": (4, 1),
    "dense_1/bias": (1,),
}


def test_names(head):
    saved = weights.save_weights(head)
    assert {name: array.shape for name, array in saved.items()} == SHAPES
    assert weights.prefix_names("a/b", {"c": 1}) == {"a/b/c": 1}


def test_round_trip(head):
    arrays = {
        name: np.random.default_rng(0).normal(size=shape).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    weights.load_weights(head, arrays)
    for name, array in weights.save_weights(head).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_lists_all_that_is_wrong(head):
    before = weights.save_weights(head)
    arrays = {name: np.ones(shape) for name, shape in SHAPES.items()}
    del arrays["dense/bias"]
    arrays["dense_2/bias"] = np.ones(2)
    arrays["dense_1/kernel"] = np.ones((1, 4))
    with pytest.raises(weights.WeightsError) as info:
        weights.load_weights(head, arrays)
    assert str(info.value).splitlines() == [
        "These weights do not fit FeedForward:",
        "  missing: dense/bias",
        "  unused: dense_2/bias",
        "  misshapen: dense_1/kernel is (1, 4), expected (4, 1)",
    ]
    for name, array in weights.save_weights(head).items():
        np.testing.assert_array_equal(array, before[name])


def test_every_weight_of_the_model_has_one_name():
    model = make_model(tiny_params(model_layers=2), 2)
    named = model.original_variables()
    assert all(name.startswith("graph/") for name in named)
    trained = {id(variable) for variable in model.main_variables}
    assert {id(variable) for variable in named.values()} == trained
    assert len(named) == len(trained)
