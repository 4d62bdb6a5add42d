"""Types of parameters, their words, and what PlaNet declares with them."""

import os
import pathlib
import subprocess
import sys
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from planet_tf2 import agents
from planet_tf2.agents.planet.acting_parameters import CollectEntry
from planet_tf2.configs import kinds
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Number,
    Positive,
    Reference,
    Scale,
    Switch,
)
from planet_tf2.configs.resolve import describe

_ROOT = pathlib.Path(__file__).parents[1]
PARAMETERS = agents.find().Parameters
FIELDS = PARAMETERS.model_fields

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
    assert {name: FIELDS[name].default for name in _ORIGINAL} == _ORIGINAL


@pytest.mark.parametrize("name", FIELDS)
def test_parameters_are_complete(name):
    field = FIELDS[name]
    assert field.description.endswith(".")
    assert PARAMETERS.group_of(name) in PARAMETERS.GROUPS
    value = getattr(PARAMETERS(**{name: field.default}), name)
    if name != "checkpoint_every":  # Which follows from another.
        assert value == field.default
        assert type(value) is type(field.default)
        assert yaml.safe_load(kinds.as_yaml(value)) == value


_PAIR = Annotated[list[Positive], Field(min_length=2, max_length=2)]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (Integer, 3.0, 3),
        (Integer, "5e7", 50000000),
        (Number, 3, 3.0),
        (Number, "1e-4", 1e-4),
        (Literal["a", "b"] | Reference, "my_module:mine", "my_module:mine"),
        (_PAIR, (3.0, "4"), [3, 4]),
        (FIELDS["image_size"], "64", 64),
        (CollectEntry, {"horizon": 2.0}, {"horizon": 2}),
    ],
)
def test_types_convert(kind, value, result):
    found = adapter(kind).validate_python(value)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Integer, [True, 1.5, "x", "", None, [1], "1.5", "nan", 1e400]),
        (Positive, [0, "0", -1]),
        (Number, [True, "x", None, [1.0], "nan", "inf", float("nan")]),
        (Fraction, [-0.1, 1.1]),
        (Scale | Literal["x"], [-0.1, "y", True, None, [1.0], ["x"], {}]),
        (Switch, [1, 0, "true", "False", None, 0.0]),
        (Literal["a"] | Reference, ["c", "", "c:", ":c", 3, None]),
        (_PAIR, [1, "12", None, {}, [], [1], [1, 2, 3], [0, 1], [None, 1]]),
        (FIELDS["image_size"], [48, 64.5, "x", None, True]),
        (CollectEntry, [1, [], "a", {"b": 1}, {"horizon": "x"}]),
    ],
)
def test_types_refuse(kind, values):
    for value in values:
        with pytest.raises(ValidationError):
            adapter(kind).validate_python(value)


def adapter(kind):
    if hasattr(kind, "annotation"):  # A field.
        kind = Annotated[kind.annotation, *kind.metadata]
    return TypeAdapter(kind)


def test_documentation_is_up_to_date(tmp_path):
    script = _ROOT / "scripts" / "write_parameters.py"
    subprocess.run(
        [sys.executable, str(script), f"--folder={tmp_path}"],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        check=True,
    )
    for agent in map(agents.find, agents.AGENTS):
        page = agent.Parameters.PAGE
        text = (tmp_path / pathlib.Path(page).name).read_text()
        written = (_ROOT / page).read_text()
        assert written == text, "Run scripts/write_parameters.py."
        names = describe(agent.Parameters)
        others = agent.Parameters.DEPRECATED
        for name in (*names, *others, *agent.PRESETS):
            assert f"`{name}`" in text
