import os
import pathlib
import subprocess
import sys

import pytest
import yaml

from planet_tf2.configs import kinds, parameter_docs
from planet_tf2.configs.acting_parameters import COLLECT_ENTRY, COLLECT_HELP
from planet_tf2.configs.kinds import (
    Bool,
    ConfigError,
    Entries,
    Float,
    FloatOr,
    Int,
    ListOf,
    Named,
    OneOf,
    Optional,
    Text,
)
from planet_tf2.configs.parameter import Parameter
from planet_tf2.configs.parameters import DEPRECATED, PARAMETERS, defaults

_ROOT = pathlib.Path(__file__).parents[1]
_DOCS = _ROOT / "docs" / "parameters.md"

# What the original's default configuration sets.
_ORIGINAL = {
    "batch_shape": [50, 50],
    "num_chunks": 1,
    "image_bits": 5,
    "loader": "recent",
    "loader_every": 1000,
    "network": "conv_ha",
    "activation": "relu",
    "num_layers": 3,
    "num_units": 300,
    "gradient_heads": ["image", "reward"],
    "state_diagnostics": False,
    "model": "rssm",
    "model_size": 200,
    "state_size": 30,
    "mean_only": False,
    "min_stddev": 0.1,
    "future_rnn": True,
    "model_layers": 1,
    "drnn_encoder_to_decoder": False,
    "drnn_sample_to_sample": True,
    "drnn_sample_to_encoder": True,
    "drnn_decoder_to_encoder": False,
    "drnn_decoder_to_sample": True,
    "drnn_action_to_decoder": False,
    "tasks": ["cheetah_run"],
    "action_repeat": None,
    "camera_id": 0,
    "divergence_scale": 1.0,
    "global_div_scale": 0.0,
    "overshooting_scale": 0.0,
    "overshooting_distance": 0,
    "os_stop_posterior_grad": True,
    "reward_loss_scale": 10.0,
    "image_loss_scale": 1.0,
    "free_nats": 3.0,
    "main_learning_rate": 1e-3,
    "main_gradient_clipping": 1000.0,
    "train_steps": 50000,
    "test_steps": 50,
    "max_steps": 50000000,
    "num_seed_episodes": 5,
    "collect_every": 5000,
    "train_collects": [{}],
    "test_collects": [{}],
    "train_action_noise": 0.3,
    "action_noise_ramp": 0,
    "action_noise_min": 0.0,
    "planner": "cem",
    "planner_horizon": 12,
    "planner_amount": 1000,
    "planner_topk": 100,
    "planner_iterations": 10,
    "collect_objective": "reward",
}


def test_defaults_are_those_of_the_original():
    values = defaults()
    assert {name: values[name] for name in _ORIGINAL} == _ORIGINAL


def test_defaults_that_differ_from_the_original():
    ours = {
        name: value
        for name, value in defaults().items()
        if name not in _ORIGINAL
    }
    assert ours == {
        "cnn_depth": 32,
        "env_max_failures": 5,
        "env_timeout_seconds": 300.0,
        "isolate_envs": "process",
        "loader_max_bytes": None,
        "loader_max_episodes": None,
        "micro_batches": 1,
        "num_gpus": 1,
        "precision": "float32",
        "main_adam_epsilon": 1e-4,
        "overshooting_reward_scale": 0.0,
        "reward_head_dist": "normal",
        "reward_head_stddev": 1.0,
        "reward_head_bounds": [-1.0, 1.0],
        "state_head_dist": "normal",
        "state_head_stddev": 1.0,
        "state_head_bounds": [-1.0, 1.0],
        "main_learning_rate_schedule": "constant",
        "main_learning_rate_warmup_updates": 0,
        "main_learning_rate_decay_updates": 100000,
        "main_learning_rate_final": 0.1,
        "checkpoint_every": None,
        "image_size": 64,
        "image_supersampling": 1,
        "shadow_size": None,
        "objective_discount": 0.99,
        "icem_noise_exponent": 2.0,
        "icem_stddev": 0.5,
        "icem_decay": 1.25,
        "icem_keep": 0.3,
        "icem_momentum": 0.1,
        "log_every": 100,
        "deterministic": False,
    }


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_parameters_are_complete(parameter):
    assert parameter.name.isidentifier()
    assert parameter.help.endswith(".")
    assert parameter.group
    value = parameter.convert(parameter.default)
    assert value == parameter.default
    assert type(value) is type(parameter.default)
    assert yaml.safe_load(kinds.as_yaml(value)) == value


def test_names_are_in_one_list_only():
    assert not set(PARAMETERS) & set(DEPRECATED)
    assert len(set(DEPRECATED)) == len(DEPRECATED)


def test_defaults_are_fresh_copies():
    defaults()["train_collects"][0]["every"] = 3
    assert defaults()["train_collects"] == [{}]


def test_wrong_value_names_parameter_value_and_expectation():
    with pytest.raises(ConfigError) as caught:
        PARAMETERS["planner_horizon"].convert("far")
    assert str(caught.value) == (
        "Parameter 'planner_horizon' must be an integer of at least 1, not "
        "'far' (str)."
    )


def test_wrong_choice_suggests_the_nearest():
    assert "elu" in PARAMETERS["activation"].choices
    with pytest.raises(ConfigError, match="Did you mean 'softplus'"):
        PARAMETERS["activation"].convert("soft_plus")


def test_missing_brackets_are_hinted_at():
    with pytest.raises(ConfigError, match=r"Write \[cheetah_run\]"):
        PARAMETERS["tasks"].convert("cheetah_run")


def test_choices_of_lists():
    parameter = Parameter("a", [], ListOf(Optional(Text(("b", "c")))), "", "")
    assert parameter.choices == ("b", "c")
    assert PARAMETERS["num_units"].choices == ()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Int(), 3, 3),
        (Int(), 3.0, 3),
        (Int(), "5e7", 50000000),
        (Int(), "12", 12),
        (Int(), -4, -4),
        (Int(0, 8), 8, 8),
        (Float(), 3, 3.0),
        (FloatOr(("x",)), 3, 3.0),
        (FloatOr(("x",)), "2.5", 2.5),
        (FloatOr(("x",)), "x", "x"),
        (Float(), "1e-4", 1e-4),
        (Float(), -0.5, -0.5),
        (Float(0), 0, 0.0),
        (Bool(), True, True),
        (Text(), "name", "name"),
        (Text(("a", "b")), "b", "b"),
        (OneOf((3, 7)), "7", 7),
        (Named(("a", "b")), "b", "b"),
        (Named(("a", "b")), "my_module:mine", "my_module:mine"),
        (ListOf(Int()), [], []),
        (ListOf(Int(1), length=2), (3.0, "4"), [3, 4]),
        (Optional(Int()), None, None),
        (Optional(Int()), "7", 7),
        (Entries((("a", Int()),)), {"a": 2.0}, {"a": 2}),
        (Entries((("a", Int()),)), {}, {}),
    ],
)
def test_kinds_convert(kind, value, expected):
    result = kind(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Int(), [True, 1.5, "x", "", None, [1], "1.5", "nan", 1e400]),
        (Int(1), [0, "0", -1]),
        (Int(0, 8), [9, -1]),
        (Float(), [True, "x", None, [1.0], "nan", "inf", float("nan")]),
        (Float(0, 1), [-0.1, 1.1]),
        (FloatOr(("x",), 0), [-0.1, "y", True, None, [1.0], ["x"], {}]),
        (Bool(), [1, 0, "true", "False", None, 0.0]),
        (Text(), [1, None, True, ["a"]]),
        (Text(("a", "b")), ["c", "", "A"]),
        (OneOf((3, 7)), [4, 3.5, "x", None, True]),
        (Named(("a", "b")), ["c", "", "c:", ":c", 3, None]),
        (ListOf(Int()), [1, "1", None, {}, ["x"], [None], {"a": 1}]),
        (ListOf(Int(1), length=2), [[], [1], [1, 2, 3], [0, 1]]),
        (ListOf(Int(), minimum_length=1), [[]]),
        (Optional(Int(1)), ["x", 0, []]),
        (Entries((("a", Int()),)), [1, [], "a", {"b": 1}, {"a": "x"}]),
    ],
)
def test_kinds_refuse(kind, values):
    for value in values:
        with pytest.raises(ValueError, match=r"\w"):
            kind(value)


def test_misspelt_collect_setting_suggests_the_nearest():
    with pytest.raises(ConfigError) as caught:
        PARAMETERS["train_collects"].convert([{}, {"evry": 10}])
    message = str(caught.value)
    assert "'train_collects'" in message
    assert "Did you mean 'every'?" in message


def test_wrong_collect_value_names_the_setting():
    with pytest.raises(ConfigError) as caught:
        PARAMETERS["test_collects"].convert([{"batch_size": 0}])
    message = str(caught.value)
    assert "'test_collects'" in message
    assert "'batch_size'" in message
    assert "an integer of at least 1, not 0 (int)" in message


def test_every_collect_setting_is_explained():
    assert [name for name, _ in COLLECT_ENTRY.kinds] == list(COLLECT_HELP)


def test_documentation_is_up_to_date():
    assert _DOCS.read_text() == parameter_docs.write_docs(), (
        "Run scripts/write_parameters.py."
    )


def test_script_writes_the_documentation(tmp_path):
    output = tmp_path / "parameters.md"
    script = _ROOT / "scripts" / "write_parameters.py"
    subprocess.run(
        [sys.executable, str(script), f"--output={output}"],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        check=True,
    )
    assert output.read_text() == parameter_docs.write_docs()


@pytest.mark.parametrize("name", [*PARAMETERS, *DEPRECATED])
def test_documentation_has_all_names(name):
    assert f"`{name}`" in parameter_docs.write_docs()
