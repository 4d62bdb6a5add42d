"""A Dreamer's actor against DreamerV3's golden numbers."""

import gymnasium
import numpy as np
import tensorflow as tf
from golden_dreamer_nets import count
from golden_files import assert_close

from planet_tf2 import agents
from planet_tf2.agents.dreamer import build
from planet_tf2.agents.dreamer.actor import DreamerActor
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.nets import weights

Box = gymnasium.spaces.Box
_OTHERS = ("num_actions", "layers")


def make_space(observ):
    """Returns what there is to observe in some steps, `[B, T, ...]`."""
    return gymnasium.spaces.Dict(
        {
            name: Box(0, 255, value.shape[2:], np.uint8)
            if value.dtype == np.uint8
            else Box(-np.inf, np.inf, value.shape[2:])
            for name, value in observ.items()
        }
    )


def make_parts(golden, observ):
    """Makes the world model and the policy of a file."""
    encoder = golden.variables("encoder")
    settings = {
        "mlp_keys": ".*",
        "cnn_depth": encoder["cnn/conv0/kernel"].shape[-1],
        "mlp_layers": count(golden, "encoder/mlp", "dense"),
        "mlp_units": encoder["mlp/dense0/kernel"].shape[-1],
    }
    given = golden.meta("params")
    size = given["num_actions"]
    given = {k: v for k, v in given.items() if k not in _OTHERS}
    params = agents.resolve(
        overrides={**given, "encoder": settings}, agent="dreamer"
    )
    action_space = Box(-1, 1, (size,))
    model = WorldModel(params, make_space(observ), action_space)
    policy = build.make_policy(params, model, action_space)
    weights.load_weights(model.encoder, encoder)
    weights.load_weights(model.rssm, golden.variables("rssm"))
    weights.load_weights(policy, golden.variables("actor"))
    return model, policy, action_space


def check_policy_step(golden, run):
    observ = golden.group("in")
    is_first = observ.pop("is_first")
    size, length = is_first.shape
    model, policy, space = make_parts(golden, observ)
    # The files have modes for samples of latent states.
    actor = DreamerActor(size, model, policy, None, space, use_mode=True)
    everyone = tf.range(size)
    for step in range(length):
        actor.begin_episode(tf.where(is_first[:, step])[:, 0])
        seen = {name: value[:, step] for name, value in observ.items()}
        seed = tf.constant([1, step])
        action = run(lambda s=seen, x=seed: actor.perform(everyone, s, 0.0, x))
        features = model.rssm.features(actor.state)
        found = {
            "action": action,
            "logprob": policy(features).log_prob(action),
            **{f"latent/{name}": x for name, x in actor.state.items()},
        }
        expected = golden.group(f"out/step{step}")
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert_close(found[name], value, 1e-5, 1e-5)


CHECKS = {"policy_step": check_policy_step}
