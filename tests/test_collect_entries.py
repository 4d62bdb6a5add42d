"""Several collect entries for a task, in a real run."""

import pytest
from small_runs import records, run

from planet_tf2.training import assemble

# For two epochs of ten training steps, 0, 2, ... 18, and two test steps each.
TRAIN = [
    {"after": 2, "every": 8},
    {
        "name": "far",
        "batch_size": 2,
        "horizon": 4,
        "objective": "discounted_reward",
        "after": 4,
        "every": 4,
        "until": 12,
        "action_noise": 0.5,
        "action_noise_ramp": -16,
        "action_noise_min": 0.6,
    },
    {"name": "never", "every": 0},
]
TEST = [{"name": "one"}, {"name": "two", "batch_size": 2, "horizon": 1}]


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(
        assemble.Summaries, "predictions", lambda *args, **kwargs: None
    )
    folder, _ = run(
        tmp_path_factory.mktemp("run"),
        train_collects=TRAIN,
        test_collects=TEST,
        train_steps=10,
        max_steps=24,
        train_action_noise=0.2,
    )
    patch.undo()
    return folder, [r for r in records(folder) if "collect" in r]


def test_training(collected):
    """Each entry by its own schedule, with its own noise and agents."""
    train = [
        (r["update"], r["collect"], pytest.approx(r["action_noise"]))
        for r in collected[1]
        if r["phase"] == "train"
    ]
    # An update is worth two steps, and is done before its collection.
    assert train == [
        (2, "main", 0.2),
        (3, "far", 0.5 * 0.75),
        (3, "far", 0.5 * 0.75),
        (5, "far", 0.5 * 0.6),
        (5, "far", 0.5 * 0.6),
        (6, "main", 0.2),
        (10, "main", 0.2),
    ]


def test_testing(collected):
    """Every entry once per test phase, without noise."""
    test = [
        (r["step"], r["collect"], r["action_noise"])
        for r in collected[1]
        if r["phase"] == "test"
    ]
    phase = [("one", 0), ("two", 0), ("two", 0)]
    assert test == [(step, *what) for step in (12, 24) for what in phase]


def test_all_episodes_are_there(collected):
    folder, _ = collected
    # A seed episode and the collected ones.
    assert len(list(folder.train_episodes.iterdir())) == 1 + 7
    assert len(list(folder.test_episodes.iterdir())) == 1 + 6
    returns = [r["return"] for r in collected[1]]
    assert len(set(returns)) == len(returns)
