"""Completes the entries of `train_collects` and `test_collects`."""

from collections.abc import Mapping
from typing import Any

from planet_tf2.tools.attr_dict import AttrDict


def train_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while training, each entry complete.

    Entries have `name, batch_size, horizon, objective, after, every, until,
    action_noise, action_noise_ramp, action_noise_min`. All steps are training
    steps, in sequences.
    """
    common = {
        "after": params["collect_every"],
        "every": params["collect_every"],
        "until": -1,
        "action_noise": params["train_action_noise"],
        "action_noise_ramp": params["action_noise_ramp"],
        "action_noise_min": params["action_noise_min"],
    }
    return _complete(params["train_collects"], params, common)


def test_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while testing, each entry complete.

    Test episodes are collected once per test phase and without noise, so
    `after`, `every` and `until` mean nothing for them.
    """
    common = {
        "after": 0,
        "every": 1,
        "until": -1,
        "action_noise": 0.0,
        "action_noise_ramp": 0,
        "action_noise_min": 0.0,
    }
    return _complete(params["test_collects"], params, common)


def _complete(
    entries: list[dict[str, Any]],
    params: Mapping[str, Any],
    common: dict[str, Any],
) -> list[AttrDict]:
    common = {
        "batch_size": 1,
        "horizon": params["planner_horizon"],
        "objective": params["collect_objective"],
        **common,
    }
    collects = []
    for index, entry in enumerate(entries):
        name = "main" if index == 0 else f"main_{index + 1}"
        collects.append(AttrDict({"name": name, **common, **entry}).lock())
    return collects
