"""What figures mean, as the diagnosis and the report say it."""

import math
import os
import time

import numpy as np
import pytest
from report_runs import (
    HALF_LOG_2PI,
    IMAGE_CONSTANT,
    add_episode,
    episode,
    losses,
    make,
    read_one,
    usual_records,
)

from planet_tf2.evaluation import judgements
from planet_tf2.evaluation.judgements import BAD, GOOD, NOTE, WARNING
from planet_tf2.evaluation.report import alarms, gather


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
    [(None, WARNING), (1.6, WARNING), (1.0, WARNING), (0.7, NOTE), (0.2, GOOD)],
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


def check(folder):
    return [alarm for _, alarm in alarms.check([read_one(folder)])]


def titles(folder):
    return [alarm.title for alarm in check(folder)]


RISING = [9, 0, 1, 2, 3, 1.5]
RANDOM = [episode("seed", n, score) for n, score in ((1, 10), (2, 14))]


def growing(start, by):
    return losses(100, divergence=lambda update: start + update * by)


def with_tests(score):
    return [*RANDOM, *(episode("test", n, score, 5) for n in range(5))]


class TestAlarms:
    """What the report says of a run's files."""

    @pytest.mark.parametrize(
        "name, text, title",
        [
            ("FAIL", "at step 3\n\nOSError: disk full\n", "The run failed"),
            ("metrics.jsonl", "disk full\n{}\n", "The record of the run is "),
            ("log.txt", "0 WARNING disk full\n1 INFO y\n", "Warnings in log"),
        ],
    )
    def test_what_files_say(self, tmp_path, name, text, title):
        folder = make(tmp_path / "run", usual_records(10))
        assert titles(folder) == []
        with open(folder.path / name, "a") as file:
            file.write(text)
        (alarm,) = check(folder)
        assert alarm.title.startswith(title) and "disk full" in alarm.text
        assert len(read_one(folder).records) == 14

    def test_nothing_happens(self, tmp_path):
        folder, old = make(tmp_path / "00001"), time.time() - 1000
        os.utime(folder.metrics, (old, old))
        assert titles(folder) == []  # Nobody works on it.
        folder.ping.write_text("{}")
        assert titles(folder) == ["Nothing happens"]
        os.utime(folder.metrics)
        assert titles(folder) == []
        os.utime(folder.ping, (old, old))
        assert titles(folder) == ["No sign of life"]
        assert read_one(folder).state == gather.STALE

    def test_not_finite(self, tmp_path):
        records = usual_records(10)
        records[4]["reward_loss"], records[-1]["return"] = "nan", "-inf"
        (alarm,) = check(make(tmp_path / "run", records))
        assert alarm.title == "Numbers are not finite"
        assert "reward_loss nan at step 15" in alarm.text
        assert "return -inf" in alarm.text

    @pytest.mark.parametrize(
        "image, reward, received, updates, title",
        [
            (0.95, 0.4, RISING, 600, "The image loss is stuck"),
            (0.95, 0.4, RISING, 100, None),
            (0.5, 1.0, RISING, 600, "The reward head is dead"),
            (0.5, 1.0, RISING, 400, None),
            (0.5, 0.4, RISING, 600, None),
            (0.5, 0.4, [9] + [1] * 5, 600, "The reward never changes"),
        ],
    )
    def test_no_more_than_a_mean(
        self, tmp_path, image, reward, received, updates, title
    ):
        # Pixels of 0 and 1 (in steps of 8 of 255) vary by 1/4 of a step
        # squared, and rewards by 1: the reset has none.
        half = 12288 / 4 / 32**2 / 2
        records = losses(updates, image=image * half, reward=reward / 2)
        records.append(episode("train", 3, 1.0, 5 * updates))
        folder = make(tmp_path / "run", records)
        add_episode(folder, [0, 8] * 3, received)
        (folder.train_episodes / "0.npz").write_bytes(b"damaged")
        run = read_one(folder)
        assert run.targets[1]["image"] == pytest.approx(half)
        assert run.constant("image_loss") == pytest.approx(IMAGE_CONSTANT)
        assert run.share_of_mean("image_loss") == pytest.approx(image, 1e-4)
        if received == RISING:
            assert run.share_of_mean("reward_loss") == pytest.approx(reward)
        assert titles(folder) == [title] * (title is not None)

    def test_nothing_to_see(self, tmp_path):
        """Also where the loss looks as if it were learned."""
        folder = make(tmp_path / "run", losses(600, image=0.1, reward=0.2))
        add_episode(folder, [8] * 6, RISING)
        assert titles(folder) == ["The frames show nothing"]

    @pytest.mark.parametrize(
        "overrides, constant",
        [
            ({"reward_head_stddev": 2.0}, HALF_LOG_2PI + np.log(2)),
            ({"reward_head_stddev": "learned"}, None),
        ],
    )
    def test_other_reward_heads(self, tmp_path, overrides, constant):
        run = read_one(make(tmp_path / "run", **overrides))
        assert run.constant("reward_loss") == pytest.approx(constant)

    @pytest.mark.parametrize(
        "records, title",
        [
            (growing(1, 1 / 20), None),  # 1 to 6: not so much.
            (growing(1, 1 / 5), "The divergence runs away"),
            (with_tests(13.0), "No better than random yet"),
            (with_tests(30.0), None),
        ],
    )
    def test_course_of_training(self, tmp_path, records, title):
        folder = make(tmp_path / "run", records)
        assert titles(folder) == [title] * (title is not None)
