"""What edition 2025 of Dreamer sets, and what is refused in either edition."""

import fnmatch
import re

import pytest

from planet_tf2 import agents
from planet_tf2.agents.dreamer import editions
from planet_tf2.configs import resolve as resolving
from planet_tf2.configs.config_error import ConfigError

DREAMER = agents.find("dreamer")
PARAMETERS = DREAMER.Parameters
NEW = [x for x in DREAMER.PRESETS if re.search(r"^size\d|_2025$", x)]


def resolve(config="default", text="", overrides=None):
    return agents.resolve(config, text, overrides, agent="dreamer")


def test_edition_alone_sets_its_defaults():
    """Some of danijar/dreamerv3's, of its largest default size."""
    for edition in ("2025", "'2025'", "2025.0"):
        params = resolve("default", f"{{edition: {edition}}}")
        assert params.edition == 2025
        assert (params.dyn_deter, params.dyn_discrete) == (8192, 64)
        assert params.retnorm["impl"] == "perc"
        assert 1 / (1 - params.discount) == pytest.approx(333)
        assert (params.opt, params.laprop["warmup"]) == ("laprop", 1000)
        assert (params.envs, params.action_repeat) == (16, 1)
    assert resolve("size200m") == params
    assert resolve().edition == 2023


def test_what_is_given_wins():
    text = "{retnorm: {rate: 0.1}, envs: 2, encoder.cnn_keys: $^}"
    params = resolve("size1m", text, {"action_repeat": 3})
    assert params.retnorm == {
        "impl": "perc",
        "rate": 0.1,
        "limit": 1.0,
        "perclo": 5.0,
        "perchi": 95.0,
        "debias": False,
    }
    assert (params.envs, params.action_repeat) == (2, 3)
    assert params.encoder["cnn_keys"] == "$^"
    assert params.encoder["mlp_keys"] == ".*"


def test_presets_are_stacked():
    params = resolve("dmc_vision_2025,size12m")
    assert (params.train_ratio, params.dyn_deter) == (256, 2048)
    assert params.encoder == {
        **resolve("size12m").encoder,
        "mlp_keys": "$^",
        "cnn_keys": "image",
    }
    # A size of 2023 leaves nothing behind.
    assert resolve("size_xl,size12m") == resolve("size12m")


@pytest.mark.parametrize("name", NEW)
def test_presets(name):
    params = resolve(name)
    assert params.edition == 2025
    assert resolve(overrides=params) == params
    if not name.startswith("debug"):
        units = params.units
        assert params.dyn_hidden == params.encoder["mlp_units"] == units
        assert params.dyn_deter == 8 * units
        assert params.dyn_discrete == params.decoder["cnn_depth"] == units / 16
    if name.startswith("atari"):
        assert params.atari["resize"] == "bilinear"


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "laprop: {agc: 1}",
            "'laprop.agc' is of edition 2025, but the edition",
        ),
        ("opt: laprop", "'opt', 'laprop', is of edition 2025"),
        ("grad_heads: [repval]", "'grad_heads' must name some of"),
        ("image_size: 96", "'encoder.minres' must divide"),
        ("edition: 2024", "'edition' must be one of 2023, 2025, not 2024"),
        ("edition: 2025, opt: adam", "'opt', 'adam', is of edition 2023"),
        ("edition: 2025, actor: {lr: 1}", "'actor.lr' is of edition 2023"),
        ("edition: 2025, expl_behavior: random", "'expl_behavior' is of edi"),
        ("edition: 2025, dyn_discrete: 0", "Give it classes"),
        ("edition: 2025, dyn_blocks: 3", "'dyn_blocks' must divide dyn_deter"),
        ("edition: 2025, decoder: {bspace: 0}", "'decoder.bspace' must be an"),
        ("edition: 2025, image_size: 32", "'encoder.mults' halves images of"),
        ("edition: 2025, imag_last: 1", "Set 0, for all, or at least 2"),
        ("edition: 2025, laprop: {schedule: linear}", "'laprop.anneal' must"),
        ("edition: 2025, encoder: {lr: 1}", "Unknown parameter 'encoder.lr'"),
        ("edition: 2025, lam: 1", "'lam'. Did you mean 'discount_lambda'"),
        ("edition: 2025, retnorm: {impl: x}", "'retnorm.impl' must be one of"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ConfigError, match=message):
        resolve("default", f"{{{text}}}")


def test_schedule():
    params = resolve("size1m", "{batch_size: 4, replay_context: 0}")
    schedule = DREAMER.schedule(params)
    assert (schedule.sequence, schedule.first_items) == (64, 256)
    assert (schedule.decisions_per_update, schedule.envs) == (8, 16)
    assert schedule.online_queue and not schedule.prefill
    schedule = DREAMER.schedule(resolve("dmc_proprio_2025"))
    assert (schedule.sequence, schedule.first_items) == (65, 1024)
    assert schedule.decisions_per_update == 1
    assert DREAMER.schedule(resolve()).sequence == 0


def test_tables_name_parameters_that_exist():
    known = PARAMETERS.known()
    for name in resolving.flat(PARAMETERS, editions.DEFAULTS):
        assert name in known, name
    for patterns in editions.ONLY.values():
        for pattern in patterns:
            assert fnmatch.filter(known, pattern), pattern
    old, new = PARAMETERS.columns().values()
    assert "laprop.agc" in new and "laprop.agc" not in old
    assert "imag_gradient" in old and "imag_gradient" not in new
    assert {*old, *new} == {*known}


def test_runs_of_earlier_versions_go_on():
    """They have none of the parameters of 2025."""
    new = resolve("debug")
    lacking = editions.lacking(2023, PARAMETERS.known())
    old = resolving.flat(PARAMETERS, new)
    old = {name: old[name] for name in old if name not in (*lacking, "edition")}
    old = resolving.merge(PARAMETERS, old)
    assert not resolving.lasting_differences(DREAMER, old, new)
