"""Plan2Explore against DreamerV3's golden numbers."""

import numpy as np
import tensorflow as tf
from golden_files import assert_close

from planet_tf2.agents.dreamer.exploration import (
    Disagreement,
    DisagreementSettings,
)
from planet_tf2.nets import DistributionHead, weights


def check_plan2explore(golden, run):
    for tag in golden.tags():
        check_one_plan2explore(golden, run, tag)


def check_one_plan2explore(golden, run, tag):
    params = golden.meta(f"{tag}/params")
    features, target, action = (
        golden[f"in/{tag}/{name}"] for name in ("feat", "target", "action")
    )
    target = target.reshape((*target.shape[:2], -1))
    disagreement = make_disagreement(golden, tag, target.shape[-1])
    members = disagreement.members

    def compute():
        with tf.GradientTape() as tape:
            loss = disagreement.loss(features, target, action)
        variables = [m.original_variables() for m in members]
        found = {
            "intrinsic_reward": disagreement.reward(features, action),
            "disagreement": disagreement.disagreement(features, action),
            "preds0": members[0](inputs).mean(),
            "explorer_loss": loss,
        }
        return found, tape.gradient(loss, variables)

    inputs = features
    if params["disag_action_cond"]:
        inputs = np.concatenate([features, action], -1)
    found, gradients = run(compute)
    for name, value in found.items():
        expected = golden[f"out/{tag}/{name}"]
        assert_close(np.reshape(value, expected.shape), expected)
    for index, named in enumerate(gradients):
        scope = f"out/{tag}/grad/{tag}/explorer{index}"
        assert_summaries(named, golden.group(scope))


def make_disagreement(golden, tag, target_size):
    params = golden.meta(f"{tag}/params")

    def load(scope, *args, **settings):
        arrays = golden.variables(scope)
        head = DistributionHead(*args, **settings)
        head.build(arrays["dense0/kernel"].shape[0])
        weights.load_weights(head, arrays)
        return head

    sizes = params["disag_layers"], params["disag_units"]
    members = [
        load(
            f"{tag}/explorer{index}", (target_size,), *sizes, "normal", std=1.0
        )
        for index in range(params["disag_models"])
    ]
    units = golden.variables("reward")["dense0/kernel"].shape[-1]
    reward = load("reward", (), 2, units, "symlog_disc")
    return Disagreement(
        members,
        None,
        lambda features, _: reward(features).mode(),
        DisagreementSettings(
            params["disag_target"],
            params["disag_offset"],
            params["disag_action_cond"],
            params["disag_log"],
            params["expl_intr_scale"],
            params["expl_extr_scale"],
            reference=True,
        ),
    )


def assert_summaries(values, expected):
    """Compares arrays by their sum, norm and first entries."""
    assert expected.keys() == values.keys()
    for name, value in values.items():
        flat = np.asarray(value, np.float64).ravel()
        found = [flat.sum(), np.sqrt((flat**2).sum()), *flat[:4]]
        tolerance = 1e-4 * np.abs(flat).max()
        assert_close(found, expected[name], 1e-4, tolerance)
