"""What figures mean, as the diagnosis and the report say it."""

import math

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
    }


def rewards(seen, blind):
    return {
        "filtered": {"explained_variance": seen},
        "open_loop": {"explained_variance": blind},
    }


def planned(bias, count=5, correlation=0.9):
    figures = {"bias": bias, "mean": 10.0, "stddev": 2.0, "count": count}
    return {"horizon": 2, "planned": {**figures, "correlation": correlation}}


@pytest.mark.parametrize(
    "share, level",
    [(None, NOTE), (1.6, WARNING), (1.0, WARNING), (0.7, NOTE), (0.2, GOOD)],
)
def test_sight(share, level):
    assert judgements.judge_sight(share).level == level


@pytest.mark.parametrize(
    "beyond, is_blind, lowest, level",
    [
        (0.05, True, math.inf, WARNING),  # Nothing is seen or said.
        (0.05, False, math.inf, GOOD),
        (3.0, True, math.inf, GOOD),
        (6.0, False, 1.0, GOOD),
        (21.0, False, 1.0, WARNING),
        (20.0, False, 10.0, GOOD),
        (200.0, False, 200.0, BAD),
    ],
)
def test_divergence(beyond, is_blind, lowest, level):
    found = judgements.judge_divergence(beyond, is_blind, lowest)
    assert found.level == level and str(beyond)[:2] in found.text


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
    assert judgements.judge_images(figures).level == level


@pytest.mark.parametrize(
    "ratio, level", [(1.0, WARNING), (0.5, GOOD), (None, NOTE)]
)
def test_actions(ratio, level):
    assert judgements.judge_actions(images(1, 1, ratio)).level == level


@pytest.mark.parametrize(
    "explained, level",
    [(0.9, GOOD), (0.5, NOTE), (0.05, WARNING), (-0.2, WARNING), (None, NOTE)],
)
def test_reward(explained, level):
    assert judgements.judge_reward(explained).level == level


@pytest.mark.parametrize(
    "seen, blind, level, words",
    [
        # No plan looks further than two steps.
        (0.9, [0.6, 0.3, 9], WARNING, "transition is the weak part"),
        (0.2, [0.6, 0.3], NOTE, "1 to 2 steps ahead"),
        (0.9, [0.8], GOOD, "1 to 1 steps"),
        (0.9, [None, 0.7], GOOD, "70%"),
        (0.9, [None, None], NOTE, "always the same"),
    ],
)
def test_blind_reward(seen, blind, level, words):
    found = judgements.judge_blind_reward(rewards(seen, blind), 2)
    assert found.level == level and words in found.text


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
    found = judgements.judge_plans(returns)
    assert found.level == level and words in found.text


def test_agent_without_images_or_plans():
    sight = {"image_error": None, "ratio": None, "divergence": 9.0}
    figures = {
        "sight": {**sight, "floor": 1.0},
        "images": None,
        "rewards": rewards(0.9, [0.9]),
        "returns": None,
    }
    found = judgements.judge(figures)
    assert [one.level for one in found] == [GOOD] * 3
    assert found[0].title == "uses its latent state"
    assert "8.0 nats per step beyond" in found[0].text
