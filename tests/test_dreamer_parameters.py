"""Dreamer's parameters: nested ones, presets, and what is misspelt."""

import pathlib
import re
import runpy

import pytest
from absl import flags

from planet_tf2 import agents
from planet_tf2.configs import resolve as resolving
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import define_flags, flag_overrides
from planet_tf2.tools import command

DREAMER = agents.find("dreamer")
PARAMETERS = DREAMER.Parameters
_SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"
SCRIPT = runpy.run_path(str(_SCRIPTS / "dreamer.py"))


def resolve(config="default", text="", overrides=None):
    return agents.resolve(config, text, overrides, agent="dreamer")


def test_nested_parameters_on_the_command_line():
    """Defect 11: only those that are not nested could be set there."""
    values = flags.FlagValues()
    define_flags(PARAMETERS, values)
    values(["", "--actor.entropy=1e-3", "--noencoder.norm", "--envs", "3"])
    given = flag_overrides(PARAMETERS, values)
    text = "{actor: {entropy: 1, lr: 1e-4}, critic.layers: 4}"
    params = resolve("default", text, given)
    assert (params.actor["entropy"], params.actor["lr"]) == (1e-3, 1e-4)
    assert (params.critic["layers"], params.critic["lr"]) == (4, 3e-5)
    assert (params.encoder["norm"], params.decoder["norm"]) == (False, True)
    assert params.envs == 3


def test_misplaced_flags():
    values = flags.FlagValues()
    define_flags(PARAMETERS, values)
    with pytest.raises(flags.UnrecognizedFlagError) as caught:
        values(["", "--entropy=1"])
    hint = command.nested_hint(caught.value, values)
    assert hint == ". Did you mean: actor.entropy ?"


def test_presets_are_stacked_in_order():
    params = resolve("crafter,size_s,atari100k", "{atari: {noops: 3}}")
    assert (params.dyn_deter, params.tasks) == (512, ["atari:pong"])
    assert params.atari == {
        "sticky": False,
        "lives": "unused",
        "noops": 3,
        "resize": "opencv",
        "actions": "needed",
        "limit_is_end": False,
    }
    # Below the others there is always `default`.
    assert resolve("dmc_proprio").action_repeat == 2
    with pytest.raises(ConfigError, match="'size_x'. Did you mean 'size_xs'"):
        resolve("dmc_vision,size_x")


@pytest.mark.parametrize("name", DREAMER.PRESETS)
def test_presets(name):
    """Defect 6: parts of presets were ignored, since they were misspelt."""
    params = resolve(name)
    assert resolve(overrides=params) == params
    if params.edition == 2025:
        return  # See test_dreamer_editions.py.
    if name in ("crafter", "minecraft", "size_xl"):
        parts = params.actor, params.critic, params.reward_head
        assert [part["layers"] for part in parts] == [5, 5, 5]
    assert params.steps == {
        "dmc_proprio": 5e5,
        "atari100k": 4e5,
        "minecraft": 1e8,
        "memorymaze": 1e8,
        "debug": 400,
        "quickstart": 320_000,
    }.get(name, 1e6)


@pytest.mark.parametrize(
    "text, message",
    [
        ("step: 9", "parameter 'step'. Did you mean 'steps'"),
        ("value: {layers: 5}", "'value'. Did you mean 'critic'"),
        ("value.layers: 5", "'value.layers'. Did you mean 'critic.layers'"),
        ("entropy: 1", "'entropy'. Did you mean 'actor.entropy'"),
        ("decoder: {kl_free: 1}", "'decoder.kl_free'. Did you mean 'kl_free'"),
        ("actor: {dust: 1}", "'actor.dust'. Did you mean 'actor.dist'"),
        ("actor: 3", "'actor' must be a mapping of lr, eps,.* not 3"),
        ("actor: {entropy: -1}", "'actor.entropy' must be a number of at"),
        ("batch_shape: [2, 3]", "'batch_shape' follows from others"),
        ("encoder: {mlp_keys: '('}", "'encoder.mlp_keys' must be a regular"),
        ("num_gpus: 3", "16 sequences"),
        # Defect 8: these crashed.
        ("opt: nadam", "'opt' must be one of adam, adamax, sgd, momentum"),
        ("actor: {dist: tanh_normal}", "'actor.dist' must be one of auto"),
        ("reward_head: {dist: huber}", "'reward_head.dist' must be one of"),
        ("train_ratio: 0", "'train_ratio' must be a number above 0"),
    ],
)
def test_mistakes(text, message):
    """Defect 6: names that nobody knows passed silently."""
    with pytest.raises(ConfigError, match=message):
        resolve("default", f"{{{text}}}")


def test_what_does_nothing_is_told(caplog):
    """Defect 6: `debug` and `reset_every` did nothing, silently."""
    params = resolve("default", "{debug: true, actor: {temp: 1}}")
    assert params == resolve()
    for name in ("debug", "actor.temp"):
        assert f"Parameter '{name}' has no effect" in caplog.text


def test_differences():
    old, new = resolve(), resolve("default", "{actor: {lr: 1}, steps: 9}")
    assert resolving.lasting_differences(DREAMER, old, new) == [
        "actor.lr: 3e-05 -> 1.0"
    ]
    changes = resolving.lasting_differences(DREAMER, old, new, done=True)
    assert "steps: 1000000 -> 9" in changes


def test_schedule():
    params = resolve("dmc_vision", "{expl_until: 7, eval_every: 100}")
    schedule = DREAMER.schedule(params)
    assert (schedule.decisions_per_update, schedule.envs) == (2, 4)
    assert (schedule.train_updates, schedule.epochs) == (25, 10_000)
    assert schedule.explore_until == 3
    assert params.max_steps == schedule.max_steps(16)
    assert params.batch_shape == [16, 64]


def test_images_are_drawn_where_they_are_seen():
    """Defect 10: `image` had to be there, even where nobody looked at it."""
    assert not resolve("dmc_proprio").draw_images
    assert resolve("dmc_vision").draw_images
    assert resolve("dmc_proprio", "{draw_images: true}").draw_images


def translate(line):
    arguments = SCRIPT["translate"](line.split())
    given = dict(x[2:].split("=", 1) for x in arguments if "=" in x)
    return given, resolve(given["config"], given["params"])


def test_command_lines_of_the_reference():
    given, params = translate(
        "--configs dmc_vision size_xs --task dmc_cup_catch --logdir L "
        "--batch_size 32 --model_lr 1e-4 --actor.entropy 1e-3 --precision 16 "
        "--grad_heads decoder,reward --video_pred_log False --seed 3"
    )
    assert (given["config"], given["logdir"]) == ("dmc_vision,size_xs", "L")
    assert (given["agent"], given["seed"]) == ("dreamer", "3")
    assert params.tasks == ["dmc:ball_in_cup_catch"]
    assert (params.batch_size, params.model_lr) == (32, 1e-4)
    assert (params.actor["entropy"], params.precision) == (1e-3, "float16")
    assert params.grad_heads == ["decoder", "reward"]
    assert params.video_pred_log is False
    _, params = translate("--configs defaults atari100k --stickey True")
    assert params.atari["sticky"] and params.tasks == ["atari:pong"]
    with pytest.raises(ConfigError, match="'step'. Did you mean 'steps'"):
        translate("--step 1e6")
    with pytest.raises(ConfigError, match="Not understood: here"):
        translate("here")


def test_names_of_tasks():
    for theirs, ours in (
        ("dmc_walker_walk", "dmc:walker_walk"),
        ("atari_pong", "atari:pong"),
        ("crafter_reward", "crafter:reward"),
        ("memorymaze_9x9", "memorymaze:9x9"),
        ("minecraft_diamond", "minecraft:diamond"),
        ("my_module:my_task", "my_module:my_task"),
    ):
        assert SCRIPT["task_name"](theirs) == ours


def test_options_are_those_of_the_other_script():
    text = (_SCRIPTS / "train.py").read_text()
    names = set(re.findall(r'(?:DEFINE|define)_\w+\(\s*"(\w+)"', text))
    given = {*SCRIPT["_OPTIONS"], "agent", "config", "params"}
    assert names == given - {"help", "helpfull"}
