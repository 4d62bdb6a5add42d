"""Arrays of other programs: converted where they can mean one thing only."""

import numpy as np
import pytest

from planet_tf2.data.conversion import StepType, fit

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)
PIXELS = StepType(np.uint8, (6, 5, 3))
VECTOR = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
ROW = StepType(np.float32, (3,))
SCALAR = StepType(np.float32)
FLAG = StepType(np.bool_)
FLAGS = np.array([1, 0, 0, 1], bool)


@pytest.mark.parametrize(
    "stored,wanted,expected",
    [
        (IMAGE / 255, PIXELS, IMAGE),
        ((IMAGE / 255).astype(np.float16), PIXELS, IMAGE),
        (IMAGE.astype(">i8"), PIXELS, IMAGE),
        (np.asfortranarray(IMAGE), PIXELS, IMAGE),
        (IMAGE.transpose(0, 3, 1, 2), PIXELS, IMAGE),
        (IMAGE[..., :1], PIXELS, IMAGE[..., [0, 0, 0]]),
        (IMAGE[..., 0], PIXELS, IMAGE[..., [0, 0, 0]]),
        (IMAGE > 99, PIXELS, (IMAGE > 99) * 255),
        (np.asfortranarray(VECTOR.astype(np.longdouble)), ROW, VECTOR),
        (np.eye(4, 3, dtype=np.int8), ROW, np.eye(4, 3)),
        (VECTOR[:, :1], SCALAR, VECTOR[:, 0]),
        (VECTOR[:, 0], StepType(np.float32, (1,)), VECTOR[:, :1]),
        (np.arange(4, dtype=np.uint64), SCALAR, np.arange(4)),
        (FLAGS.astype(np.int64), FLAG, FLAGS),
        (FLAGS[:, None].astype(np.float16), FLAG, FLAGS),
        (np.arange(4.0), StepType(np.int64), np.arange(4)),
        (np.zeros((4, 0)), StepType(np.float32, (0,)), np.zeros((4, 0))),
    ],
)
def test_converts(stored, wanted, expected):
    found = fit(stored, 4, wanted)
    assert found.dtype == wanted.dtype and found.dtype.isnative
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, atol=stored.dtype == np.float16)


@pytest.mark.parametrize(
    "stored,wanted,message",
    [
        (IMAGE / 255 - 0.5, PIXELS, "float64 .* from -0.5 to 0.5, but uint8"),
        (IMAGE * 0.9, PIXELS, "with fractions"),
        (IMAGE * np.uint16(257), PIXELS, "from 0 to 65535"),
        (IMAGE[..., [0, 1, 2, 0]], PIXELS, r"\[4, 6, 5, 4\], but"),
        (IMAGE.transpose(0, 2, 1, 3), PIXELS, r"\[4, 5, 6, 3\], but"),
        (IMAGE[:3], PIXELS, r"\[3, 6, 5, 3\], but uint8 of shape \[4, "),
        (np.arange(4), ROW, r"int64 of shape \[4\], but finite float32"),
        (VECTOR.astype(complex), ROW, "complex128"),
        (np.zeros((4, 3), "M8[s]"), ROW, "datetime64"),
        (np.full((4, 3), 1e300), ROW, r"1e\+300, but finite float32"),
        (np.where(VECTOR > 0.9, np.nan, VECTOR), ROW, "finite at time step 3"),
        (np.arange(4), FLAG, "from 0 to 3, but bool"),
        (VECTOR[:, 0], StepType(np.int64), "fractions, but int64"),
    ],
)
def test_refuses_what_has_no_or_several_meanings(stored, wanted, message):
    with pytest.raises(ValueError, match=message) as caught:
        fit(stored, 4, wanted)
    assert "is needed" in str(caught.value)
