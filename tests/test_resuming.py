"""Real trainings that are killed; `stress_resume.py` is the full-size program.

Nothing here depends on how fast they are.
"""

import argparse

import pytest
from stress_resume import Stress

from planet_tf2.tools.machine import usable_cores

# Two epochs of two updates each, with as little to compute as possible.
SMALL = "batch_shape: [2, 5], train_steps: 4, test_steps: 2, cnn_depth: 2, "
SMALL += "action_repeat: 100, deterministic: true"


@pytest.mark.slow
@pytest.mark.parametrize("ahead", ["", ", collect_ahead: true"])
def test_killed_training_goes_on_as_if_nothing_was(tmp_path, ahead):
    args = argparse.Namespace(
        kills=2,
        lines=4,
        seed=1,
        agent="planet",
        config="debug",
        task="dummy",
        max_steps=18,
        params=SMALL + ahead,
    )
    stress = Stress(tmp_path, args)
    stress.run()
    report = stress.report()
    assert report["problems"] == []
    assert report["kills"] == 2 and report["updates"] == 6
    # As many as whoever begins the run may use.
    for training in (stress.whole, stress.broken):
        threads = training.folder.read_config()["threads"]
        assert threads == usable_cores()
