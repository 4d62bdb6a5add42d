"""Images of other forms than uint8 `[height, width, 3]`."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.envs.images import find_form

_RNG = np.random.default_rng(0)
_FRAME = _RNG.integers(0, 256, (32, 40, 3), np.uint8)
_OLDER = _RNG.integers(0, 256, (32, 40, 3), np.uint8)
_STACK = np.stack([_OLDER, _OLDER, _FRAME])
_CLEAR = _RNG.integers(0, 256, (3, 32, 40, 1), np.uint8)


def _read(value, low, high, named=True):
    form = find_form(spaces.Box(low, high, value.shape, value.dtype), named)
    return None if form is None else form.read(value)


def _first(image):
    return np.moveaxis(image, -1, -3)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        _FRAME,
        _first(_FRAME),
        _STACK,
        _first(_STACK),
        np.concatenate([_STACK, _CLEAR], -1),  # The fourth channel is opacity.
        np.concatenate(_STACK, -1),
        _first(_STACK).reshape(9, 32, 40),
    ],
)
def test_colours(value, named):
    """The newest frame comes out, whatever numbers it was made of."""
    np.testing.assert_array_equal(_read(value, 0, 255, named), _FRAME)
    for dtype in (np.float16, np.float64, np.int16, np.int64):
        found = _read(value.astype(dtype), 0, 255, named)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, _FRAME)
    found = _read((value / 255).astype("f4"), 0, 1, named)
    np.testing.assert_array_equal(found, _FRAME)


@pytest.mark.parametrize(
    "value",
    [_FRAME[..., 0], _FRAME[..., :1], _STACK[..., 0], _STACK[:1, ..., 0]],
)
def test_grey(value):
    if len(value) == 3:  # Rather the channels of a color.
        value = value[[0, 0, 1, 2]]
    found = _read(value, 0, 255, named=False)
    expected = _FRAME if len(value) > 1 else _OLDER
    np.testing.assert_array_equal(np.squeeze(found), expected[..., 0])


def test_black_and_white():
    flags = _FRAME[..., 0] > 100
    for value in (flags, flags.astype("u1"), flags.astype("f8")):
        np.testing.assert_array_equal(_read(value, 0, 1), 255 * flags)


def test_values_beyond_the_bounds():
    value = np.array([[[-0.1, 0.5, 1.1]]])
    np.testing.assert_array_equal(_read(value, 0, 1), [[[0, 128, 255]]])
    value[0, 0, 0] = np.nan
    with pytest.raises(envs.InterfaceError, match="not finite"):
        _read(value, 0, 1)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "shape, dtype, low, high",
    [
        ((84, 84, 4), "u1", 0, 255),  # With opacity, or of four frames.
        ((84, 84, 2), "u1", 0, 255),
        ((64, 64, 3, 4), "u1", 0, 255),
        ((2, 3, 64, 64, 3), "u1", 0, 255),
        ((64, 64, 3), "f4", -np.inf, np.inf),
        ((64, 64, 3), "f4", -1, 1),
        ((64, 64), "i8", 0, 5991),  # Glyphs.
        ((17, 19, 19), "u1", 0, 1),  # Planes of a board.
        ((64,), "u1", 0, 255),
        ((0, 64, 3), "u1", 0, 255),
    ],
)
def test_what_is_not_clear(shape, dtype, low, high, named):
    assert find_form(spaces.Box(low, high, shape, dtype), named) is None


def test_tables_without_a_name():
    """Which may be images if they are called so."""
    for shape in ((20, 20), (5, 4, 3), (4, 8, 8)):
        assert find_form(spaces.Box(0, 1, shape), named=False) is None
    assert find_form(spaces.Box(0, 1, (5, 4, 3)))
    assert find_form(spaces.Discrete(3)) is None


class Seen(gymnasium.Env):
    """Observes what it is told to."""

    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}


def _open(space):
    env = envs.CheckedInterface(Seen(space))
    return env, envs.ImageObservation(env, 16)


def test_as_the_only_observation():
    env, images = _open(spaces.Box(0, 1, (4, 20, 30)))
    obs, _ = images.reset()
    assert images.observation_space.contains(obs) and set(obs) == {"image"}
    assert "float32 [4, 20, 30], the last of 4 frames" in images.source


def test_advice():
    for name, space, hint in (
        ("image", spaces.Box(0, 255, (64, 64, 4), "u1"), "opacity or frames"),
        ("image", spaces.Box(-1, 1, (64, 64, 3)), "bounds are 0 and 1"),
        ("rgb", spaces.Box(0, 255, (3, 64, 64), "u1"), "If 'rgb' is the image"),
    ):
        with pytest.raises(ValueError, match=hint):
            _open(spaces.Dict({name: space, "x": spaces.Box(-1, 1, (2,))}))
    with pytest.raises(ValueError, match="render_mode is None."):
        _open(spaces.Tuple([space, space]))
