import logging

import pytest
from absl import flags

from planet_tf2 import agents
from planet_tf2.agents import resolve
from planet_tf2.agents.planet import PRESET_HELP, PRESETS, acting_parameters
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import (
    define_flags,
    flag_overrides,
    parse_params,
)
from planet_tf2.configs.resolve import differences, lasting_differences

PLANET = agents.find()


@pytest.fixture(name="flag_values")
def _flag_values():
    values = flags.FlagValues()
    define_flags(PLANET.Parameters, values)
    return values


def test_precedence():
    assert resolve("default").num_units == 300
    assert resolve("debug").num_units == 10
    assert resolve("debug", "{num_units: 20}").num_units == 20
    both = resolve("debug", "{num_units: 20}", {"num_units": 30})
    assert both.num_units == 30
    with pytest.raises(RuntimeError, match="copy"):
        both.num_units = 1


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_used(name):
    params = resolve(name)
    for key, value in PRESETS[name].items():
        assert params[key] == value
    assert name in PRESET_HELP


def test_runs_share_no_lists():
    for preset in ("default", "debug"):
        params = resolve(preset)
        params["batch_shape"].append(3)
        params["train_collects"][0]["every"] = 7
        assert resolve(preset) != params


def test_unknown_preset_suggests_the_nearest():
    words = r"'debgu'\. Did you mean 'debug'\?.*quickstart"
    with pytest.raises(ConfigError, match=words):
        resolve("debgu")


def test_checkpoint_every_follows_from_test_steps():
    assert resolve().checkpoint_every == 500
    assert resolve("debug").checkpoint_every == 100
    assert resolve(params_text="{checkpoint_every: 7}").checkpoint_every == 7


def test_unknown_parameter_suggests_the_nearest():
    words = "Unknown parameter 'learning_rate'.*mean 'main_learning_rate'"
    with pytest.raises(ConfigError, match=words):
        resolve(params_text="{learning_rate: 3}")
    with pytest.raises(ConfigError, match=words):
        resolve(overrides={"learning_rate": 3})


@pytest.mark.parametrize("name", ["bound_action", "loader_window"])
def test_parameters_without_effect_are_a_warning(name, caplog):
    with caplog.at_level(logging.WARNING):
        params = resolve(params_text=f"{{{name}: 3}}")
    assert repr(name) in caplog.text
    assert params == resolve()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{mean_only: 1}", ["'mean_only'", "True or False", "1 (int)"]),
        ("{num_units: ten}", ["'num_units'", "an integer", "'ten' (str)"]),
        ("{batch_shape: [5]}", ["'batch_shape'", "2 items", "[5] (list)"]),
        ("{model: rsm}", ["'model'", "'rsm'", "Did you mean 'rssm'?"]),
        ("{planner_topk: 2000}", ["'planner_topk'", "1000", "2000"]),
        ("{tasks: [cheeta_run]}", ["'tasks'", "cheeta_run", "cheetah_run"]),
        ("{tasks: [cup_catch, cup_catch]}", ["'tasks'", "twice"]),
        ("{tasks: cheetah_run}", ["'tasks'", "Write [cheetah_run] for a list"]),
        (
            "{train_collects: [{}, {evry: 10}]}",
            [
                "Parameter 'train_collects': Unknown setting 'evry' in "
                "{'evry': 10}. Did you mean 'every'? Known are name, "
            ],
        ),
        (
            "{test_collects: [{batch_size: 0}]}",
            [
                "Parameter 'test_collects': Setting 'batch_size' in "
                "{'batch_size': 0} must be an integer of at least 1, not 0 "
                "(int)."
            ],
        ),
        (
            "{train_collects: [{name: a}, {name: a}]}",
            ["'train_collects' needs a different name for each"],
        ),
        ("{num_units:3}", ["'num_units:3'", "space after ':'"]),
        ("{3: 4}", ["Unknown parameter 3"]),
    ],
)
def test_bad_values_are_one_clear_line(text, words):
    with pytest.raises(ConfigError) as caught:
        resolve(params_text=text)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_sequences_must_fit_into_episodes():
    # 1000 simulator steps are 250 decisions, and the reset is one more.
    assert resolve(params_text="{batch_shape: [50, 251]}")
    with pytest.raises(ConfigError, match="252 steps.*'cheetah_run' have 251"):
        resolve(params_text="{batch_shape: [50, 252]}")
    with pytest.raises(ConfigError, match="have 21 with an action repeat"):
        resolve(params_text="{action_repeat: 50}")
    for task in ("cheetah_run", "dmc:hopper_hop"):
        text = f"{{tasks: [{task}], action_repeat: 1500}}"
        with pytest.raises(ConfigError, match="only 1000 simulator steps"):
            resolve(params_text=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("<>", {}),
        ("{tasks: [cheetah_run]}", {"tasks": ["cheetah_run"]}),
        ("tasks: [cheetah_run]", {"tasks": ["cheetah_run"]}),
        ("<c: [<every: 3>, <>]>", {"c": [{"every": 3}, {}]}),
        ("{a: <b>}", {"a": "<b>"}),
        ("{a: 5e7, b: 1.5, c: none}", {"a": "5e7", "b": 1.5, "c": "none"}),
    ],
)
def test_parse_params(text, expected):
    assert parse_params(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{tasks: [cheetah_run]", ["line 1, column 22", "','"]),
        ("[1, 2]", ["mapping", "[1, 2] (list)"]),
    ],
)
def test_broken_yaml_is_one_clear_line(text, words):
    with pytest.raises(ConfigError) as caught:
        parse_params(text)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_all_parameters_are_flags(flag_values):
    assert set(PLANET.Parameters.model_fields) <= set(flag_values)
    for name in PLANET.Parameters.known():
        assert PLANET.Parameters.explain(name) in flag_values[name].help


def test_flags_are_yaml(flag_values):
    flag_values(
        [
            "program",
            "--planner_horizon=8",
            "--batch_shape=[5, 10]",
            "--max_steps=5e7",
            "--mean_only",
            "--nofuture_rnn",
            "--action_repeat=null",
            "--activation=none",
            "--train_collects=[<every: 7>]",
            "--test_collects=[{horizon: 3}]",
        ]
    )
    overrides = flag_overrides(PLANET.Parameters, flag_values)
    params = resolve("debug", "{planner_horizon: 3}", overrides)
    assert params.planner_horizon == 8
    assert params.batch_shape == [5, 10]
    assert params.max_steps == 50000000
    assert params.mean_only is True
    assert params.future_rnn is False
    assert params.action_repeat is None
    assert params.activation == "none"
    assert params.train_collects == [{"every": 7}]
    assert params.test_collects == [{"horizon": 3}]


def test_broken_flag_names_the_flag(flag_values):
    flag_values(["program", "--batch_shape=[5, 10"])
    with pytest.raises(ConfigError, match=r"--batch_shape='\[5, 10'.*line 1"):
        flag_overrides(PLANET.Parameters, flag_values)


def test_differences_assume_defaults_for_new_parameters():
    saved = dict(resolve("debug"))
    del saved["num_chunks"]
    new = resolve("debug", "{num_units: 11, batch_shape: [6, 10]}")
    assert differences(PLANET, saved, new) == [
        "batch_shape: [5, 10] -> [6, 10]",
        "num_units: 10 -> 11",
    ]
    assert differences(PLANET, saved, resolve("debug")) == []


@pytest.mark.parametrize(
    "text",
    ["{num_gpus: 3}", "{micro_batches: 4}", "<num_gpus: 5, micro_batches: 4>"],
)
def test_batches_have_to_be_shared_evenly(text):
    with pytest.raises(ConfigError, match="50 sequences.*num_gpus: .*micro"):
        resolve("default", text)
    resolve("default", "{num_gpus: 5, micro_batches: 2}")


def test_differences_that_a_run_cannot_go_on_with():
    old, new = (
        {"env_timeout_seconds": s, "log_every": n, "free_nats": f}
        for s, n, f in ((1.0, 10, 3.0), (2.0, 20, 4.0))
    )
    assert len(differences(PLANET, old, new)) == 3
    assert lasting_differences(PLANET, old, new) == ["free_nats: 3.0 -> 4.0"]
    # How long it is to be can change until it is done.
    old, new = {"max_steps": 10}, {"max_steps": 20}
    assert lasting_differences(PLANET, old, new) == []
    assert lasting_differences(PLANET, old, new, done=True) == [
        "max_steps: 10 -> 20"
    ]


def test_collects_are_completed_from_the_parameters():
    params = resolve(
        params_text="{collect_every: 300, train_action_noise: 0.2, "
        "planner_horizon: 7, action_noise_ramp: 9, train_collects: "
        "[{}, {name: far, horizon: 20, after: 5, until: 50}, {}]}"
    )
    first, second, third = acting_parameters.train_collects(params)
    assert first == {
        "name": "main",
        "batch_size": 1,
        "horizon": 7,
        "objective": "reward",
        "after": 300,
        "every": 300,
        "until": -1,
        "action_noise": 0.2,
        "action_noise_ramp": 9,
        "action_noise_min": 0.0,
    }
    changes = {"name": "far", "horizon": 20, "after": 5, "until": 50}
    assert second == {**first, **changes}
    assert third == {**first, "name": "main_3"}
    (entry,) = acting_parameters.test_collects(params)
    assert entry.action_noise == 0
    assert entry.horizon == 7


@pytest.mark.parametrize("steps", [10**14 + 1, 10**15])
def test_what_follows_from_large_numbers_can_be_read_again(steps):
    params = agents.resolve(overrides={"test_steps": steps})
    assert agents.resolve(overrides=params) == params
