"""What figures mean, as the diagnosis and the report say it."""

import pytest

from planet_tf2.evaluation import judgements
from planet_tf2.evaluation.judgements import BAD, GOOD, NOTE, WARNING


def images(no_change, mean_frame=0.5, random_actions=0.5, useful=2):
    return {
        "context": 5,
        "horizon": 45,
        "useful_steps": useful,
        "ratio_to_no_change": no_change,
        "ratio_to_mean_frame": mean_frame,
        "ratio_to_random_actions": random_actions,
        "one_future_ratio_to_no_change": 0.7,
    }


def rewards(seen, blind):
    return {
        "filtered": {"explained_variance": seen},
        "open_loop": {"explained_variance": blind},
    }


def planned(bias, count=5, correlation=0.9):
    return {
        "horizon": 2,
        "planned": {
            "bias": bias,
            "mean": 10.0,
            "stddev": 2.0,
            "count": count,
            "correlation": correlation,
        },
    }


@pytest.mark.parametrize(
    "share, level",
    [(None, NOTE), (1.6, WARNING), (1.0, WARNING), (0.7, NOTE), (0.2, GOOD)],
)
def test_sight(share, level):
    assert judgements.judge_sight(share)[0] == level


@pytest.mark.parametrize(
    "beyond, is_blind, level",
    [
        (0.05, True, WARNING),  # Nothing is seen, and nothing is said.
        (0.05, False, GOOD),
        (3.0, True, GOOD),
        (500.0, False, BAD),
    ],
)
def test_divergence(beyond, is_blind, level):
    found, text = judgements.judge_divergence("so much", beyond, is_blind)
    assert found == level and "so much" in text


@pytest.mark.parametrize(
    "last, lowest, level",
    [
        (6.0, 1.0, GOOD),
        (21.0, 1.0, WARNING),
        (20.0, 10.0, GOOD),
        (200, 200, BAD),
    ],
)
def test_rise(last, lowest, level):
    assert judgements.judge_rise(last, lowest)[0] == level


@pytest.mark.parametrize(
    "figures, level",
    [
        (images(0.4), GOOD),
        (images(0.7), NOTE),
        (images(1.1), WARNING),
        # As good as the target asks, but only by painting the mean.
        (images(0.5, 1.0), WARNING),
        (images(0.8, 1.2, 1, 5), NOTE),
        (images(None), NOTE),
    ],
)
def test_images(figures, level):
    assert judgements.judge_images(figures)[0] == level


def test_actions():
    assert judgements.judge_actions(images(1, 1, 1.0))[0] == WARNING
    level, text = judgements.judge_actions(images(1, 1, 0.5))
    assert level == GOOD and "2.00 times" in text
    assert judgements.judge_actions(images(1, 1, None))[0] == NOTE


@pytest.mark.parametrize(
    "explained, level",
    [(0.9, GOOD), (0.5, NOTE), (0.05, WARNING), (-0.2, WARNING), (None, NOTE)],
)
def test_reward(explained, level):
    assert judgements.judge_reward(explained)[0] == level


@pytest.mark.parametrize(
    "seen, blind, level, words",
    [
        # No plan looks further than two steps.
        (0.9, [0.6, 0.3, 9], WARNING, "transition is the weak part"),
        (0.2, [0.6, 0.3], NOTE, "1 to 2 steps ahead without looking it explai"),
        (0.9, [0.8], GOOD, "1 to 1 steps"),
        (0.9, [None, 0.7], GOOD, "70%"),
        (0.9, [None, None], NOTE, "always the same"),
    ],
)
def test_blind_reward(seen, blind, level, words):
    found, text = judgements.judge_blind_reward(rewards(seen, blind), 2)
    assert found == level and words in text


@pytest.mark.parametrize(
    "returns, level, words",
    [
        (planned(0.5), GOOD, "10.50"),
        (planned(0.5, correlation=None), GOOD, "10.50"),
        (planned(0, correlation=0.1), NOTE, "correlation 0.10"),
        (planned(9.0), WARNING, "faults"),
        (planned(-9.0), NOTE, "underrates"),
        (planned(0, count=0), NOTE, "no episode"),
    ],
)
def test_plans(returns, level, words):
    found, text = judgements.judge_plans(returns)
    assert found == level and words in text


@pytest.mark.parametrize(
    "ratio, explained, met",
    [(0.5, 0.8, "met"), (0.51, 0.79, "not met"), (None, None, "not met")],
)
def test_targets(ratio, explained, met):
    figures = {"images": images(ratio), "rewards": rewards(explained, [])}
    lines = judgements.targets(figures)
    assert "45 steps after 5 frames of context" in lines[0]
    assert "one sampled future 0.70" in lines[0]
    assert all(line.endswith(f": {met}") for line in lines)


def test_agent_without_images_or_plans():
    sight = {"image_error": None, "ratio": None, "divergence": 9.0}
    figures = {
        "sight": {**sight, "floor": 1.0, "above_floor": 0.8},
        "images": None,
        "rewards": rewards(0.9, [0.9]),
        "returns": None,
    }
    found = judgements.judge(figures)
    assert [finding.is_good for finding in found] == [True] * 3
    assert "9.0 nats per step, 1 are free; 80%" in found[0].text
    assert len(judgements.targets(figures)) == 1
