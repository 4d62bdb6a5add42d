"""The simulator as a model against the suite itself."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from planet_tf2.configs import tasks
from planet_tf2.envs.child_process import child_environ
from planet_tf2.envs.rendering import gl_variables

_TESTS = pathlib.Path(__file__).parent
_NAMES = [
    f"{task.domain}_{task.task}"
    for task in tasks.TASKS.values()
    if task.kind == tasks.DM_CONTROL
]


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulator") / "checks.npz"
    result = subprocess.run(
        [sys.executable, str(_TESTS / "simulator_checks.py"), str(path)],
        env=child_environ(gl_variables(None)),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    with np.load(path) as data:
        return dict(data)


@pytest.mark.parametrize("name", [*_NAMES, "hopper_stand"])
class TestSuite:
    def test_predicts_what_happens(self, checks, name):
        actual = checks[f"{name}/actual"]
        assert len(actual) == 25 and np.ptp(actual, 0).min() > 0
        np.testing.assert_allclose(
            checks[f"{name}/predicted"], actual, rtol=1e-6, atol=1e-6
        )
        np.testing.assert_allclose(
            checks[f"{name}/predicted_rewards"],
            checks[f"{name}/rewards"],
            rtol=1e-5,
            atol=1e-5,
        )

    def test_episode_is_that_of_the_suite(self, checks, name):
        final = checks[f"{name}/final"]
        last = checks[f"{name}/actual"][-1][: len(final)]
        np.testing.assert_allclose(last, final, rtol=1e-9, atol=1e-9)

    def test_rewards_of_any_state(self, checks, name):
        values = checks[f"{name}/values"]
        # Poor states and good ones.
        assert np.ptp(values) > 1
        np.testing.assert_allclose(
            values, checks[f"{name}/expected"], rtol=1e-4, atol=1e-4
        )
