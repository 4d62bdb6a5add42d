import copy
import pathlib
import pickle

import numpy as np
import pytest

from planet_tf2.tools.attr_dict import AttrDict, differences, to_plain


def test_keys_are_attributes():
    params = AttrDict(num_units=3, layers=[1, 2])
    assert params.num_units == params["num_units"] == 3
    assert params == {"num_units": 3, "layers": [1, 2]}


def test_unknown_key_names_the_nearest():
    params = AttrDict(planner_horizon=3, batch_shape=4)
    with pytest.raises(AttributeError, match="'planner_horizon'"):
        params.planer_horizon  # noqa: B018
    with pytest.raises(KeyError, match="batch_shape"):
        params["batchshape"]
    with pytest.raises(AttributeError, match=r"'zzz'\.$"):
        params.zzz  # noqa: B018
    assert not hasattr(params, "anything")
    assert params.get("planer_horizon", 7) == 7


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(x=2),
        lambda p: p.__setitem__("x", 2),
        lambda p: setattr(p, "x", 2),
        lambda p: p.setdefault("new", 2),
        lambda p: p.pop("x"),
        lambda p: p.popitem(),
        lambda p: p.clear(),
        lambda p: p.__delitem__("x"),
        lambda p: delattr(p, "x"),
        lambda p: p.__ior__({"x": 2}),
    ],
)
def test_refuses_all_changes(change):
    params = AttrDict(x=1)
    with pytest.raises(RuntimeError, match="copy"):
        change(params)
    assert params == {"x": 1}


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))],
)
def test_copies(duplicate):
    params = AttrDict(a=[1], b=2)
    other = duplicate(params)
    assert isinstance(other, AttrDict)
    assert other == params and other.b == 2


def test_to_plain_leaves_only_builtin_types():
    params = AttrDict(
        inner=AttrDict(size=np.int64(3)),
        shape=(np.float32(0.5), 2),
        array=np.arange(2),
        names={"b", "a"},
        path=pathlib.PurePosixPath("x/y"),
        nothing=None,
    )
    plain = to_plain(params)
    assert plain == {
        "inner": {"size": 3},
        "shape": [0.5, 2],
        "array": [0, 1],
        "names": ["a", "b"],
        "path": "x/y",
        "nothing": None,
    }
    assert type(plain) is dict
    assert type(plain["inner"]) is dict
    assert type(plain["inner"]["size"]) is int
    assert type(plain["array"][0]) is int
    assert to_plain("text") == "text"


def test_differences_list_old_and_new():
    old = {"a": 1, "b": [1, 2], "c": "x", "gone": 0}
    new = {"a": 1, "b": (1, 3), "c": "x", "new": None}
    assert differences(old, new) == [
        "b: [1, 2] -> [1, 3]",
        "gone: 0 -> (not set)",
        "new: (not set) -> None",
    ]
    assert differences(old, old) == []
