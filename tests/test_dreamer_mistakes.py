"""Mistakes of users are told in a line, before anything is written."""

import pathlib
import runpy

import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2.agents import resolve
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.train import train
from planet_tf2.training.assemble import common_spaces

_SCRIPT = pathlib.Path(__file__).parents[1] / "scripts" / "dreamer.py"
translate = runpy.run_path(str(_SCRIPT), run_name="dreamer")["translate"]


@pytest.mark.parametrize(
    "given, words",
    [
        ("{encoder: {cnn_keys: front}}", "Nothing is seen: .*'front'.*image"),
        ("{decoder: {cnn_keys: front}}", "Nothing is predicted: .*'front'"),
        ("{actor: {dist: onehot}}", "'actor.dist' is 'onehot'"),
        ("{tasks: [test_suites:Blind]}", "cannot be seen.*dmc_proprio, or enc"),
        ("{offline_evaldir: nowhere}", "evaluations play.*Set both"),
        ("{offline_traindir: HERE}", "No usable ep.*'action' and 'reward'"),
        ("{offline_traindir: nowhere}", "'nowhere', a folder without episodes"),
    ],
)
def test_nothing_is_written(tmp_path, given, words):
    np.savez(tmp_path / "0.npz", action=np.zeros([3, 1]))
    given = given.replace("HERE", str(tmp_path))
    with pytest.raises(ValueError, match=words):
        params = {"tasks": ["dummy"], "isolate_envs": "none"}
        overrides = {k: v for k, v in params.items() if k not in given}
        train(tmp_path / "logs", "debug", given, overrides, "dreamer")
    assert [path.name for path in tmp_path.iterdir()] == ["0.npz"]


def test_tasks_share_what_all_of_them_observe():
    """Walker and cheetah from images could not be learned by one agent."""
    names = ["walker", "cheetah"]
    image, box = (
        spaces.Box(0, 255, (8, 8, 3), np.uint8),
        spaces.Box(-1, 1, (2,)),
    )
    large, choice = spaces.Box(-1, 1, (3,)), spaces.Discrete(2)
    observed = [
        spaces.Dict({"image": image, "height": box, "speed": box}),
        spaces.Dict({"image": image, "speed": large}),
    ]
    shared, action = common_spaces(
        names, list(zip(observed, (box, large), strict=True))
    )
    assert (list(shared), action) == (["image"], large)
    with pytest.raises(ConfigError, match="walker takes .*cheetah takes Disc"):
        common_spaces(names, list(zip(observed, (box, choice), strict=True)))


@pytest.mark.parametrize(
    "line, words",
    [
        ("--batch_size", "--batch_size needs a value."),
        ("--logdir --seed 3", "--logdir needs a value."),
        ("--size 64 64 --image_size 64", "image_size is given twice."),
        ("--size 64 32", "'image_size' must be .* not '64 32'"),
        ("--size abc", "'image_size' must be .* not 'abc'"),
        ("--critics 3", "Did you mean 'critic'"),
        ("--encoder.mlp_keys [", "regular expression, not '\\['"),
        ("--encoder.mlp_keys *", "regular expression, not '\\*'"),
    ],
)
def test_command_lines(line, words):
    with pytest.raises(ConfigError, match=words):
        resolved(*line.split())


@pytest.mark.parametrize("pattern", ["[a-z]+", "{a}", "true", "12", "a: b", ""])
def test_patterns_are_taken_as_they_stand(pattern):
    params = resolved(f"--encoder.mlp_keys={pattern}", "--size", "32", "32")
    assert params.encoder["mlp_keys"] == pattern and params.image_size == 32


def resolved(*arguments):
    _, config, params = translate(arguments)
    return resolve(
        config.partition("=")[2],
        params.partition("=")[2],
        agent="dreamer",
    )
