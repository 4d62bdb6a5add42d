import numpy as np
import pytest

from planet_tf2.tools import schedule


def _binary_reference(step, batch_size, after, every, until):
    """Looks at each step on the way, one after the other."""
    for point in range(step - batch_size + 1, step + 1):
        late = 0 <= until <= point
        if point >= after and (point - after) % every == 0 and not late:
            return True
    return False


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
@pytest.mark.parametrize("after", [0, 4, 10])
@pytest.mark.parametrize("every", [1, 5, 12])
@pytest.mark.parametrize("until", [-1, 0, 16, 22])
def test_binary_reference(batch_size, after, every, until):
    steps = np.arange(60)
    expected = [
        _binary_reference(step, batch_size, after, every, until)
        for step in steps
    ]
    due = schedule.binary(steps, batch_size, after, every, until)
    np.testing.assert_array_equal(due, expected)


@pytest.mark.parametrize("every", [0, -1])
def test_binary_without_distance_is_never(every):
    assert not schedule.binary(np.arange(20), 10, 0, every).any()


def test_linear_bounds():
    assert schedule.linear(50, 200) == 0.25
    assert schedule.linear(0, 100, min=0.2) == 0.2
    assert schedule.linear(50, 100, min=0.2) == 0.5
    assert schedule.linear(90, 100, max=0.7) == 0.7
    assert schedule.linear(1000, -100, min=0.3) == 0.3
    assert schedule.linear(1000, -100) == 0.0


def test_no_ramp_is_constant():
    assert schedule.linear(0, 0) == 1.0
    assert schedule.linear(7, 0, min=0.2, max=0.5) == 0.5
    np.testing.assert_array_equal(schedule.linear(np.arange(3), 0), [1, 1, 1])
