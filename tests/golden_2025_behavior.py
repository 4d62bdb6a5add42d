"""Actor and critic against the golden numbers of 2025."""

import gymnasium
import numpy as np
import tensorflow as tf
from golden_2025_learn import make_normalizer
from golden_dreamer_files import assert_summary
from golden_files import assert_close

from planet_tf2.agents.dreamer.edition_2025.behavior import (
    Behavior,
    BehaviorSettings,
    Futures,
)
from planet_tf2.agents.dreamer.edition_2025.heads import Head, Policy
from planet_tf2.agents.dreamer.edition_2025.slow_copy import SlowCopy
from planet_tf2.nets import weights

# What the golden files call our scalars.
METRICS = {
    "adv": "advantage_mean",
    "adv_mag": "advantage_mag",
    "adv_std": "advantage_std",
    "con": "imag_cont_mean",
    "ret": "normed_target_mean",
    "ret_max": "normed_target_max",
    "ret_min": "normed_target_min",
    "ret_rate": "normed_target_rate",
    "rew": "imag_reward_mean",
    "slowval": "slow_value_mean",
    "tar": "target_mean",
    "val": "value_mean",
    "weight": "imag_weight_mean",
}
_NORMALIZERS = {"return": "retnorm", "value": "valnorm", "advantage": "advnorm"}
_RETNORM = {"impl": "perc", "limit": 1.0, "debias": False}
_NONE = {"impl": "none"}


def set_states(behavior, start):
    """Gives the normalizers the states that a file names."""
    for ours, theirs in _NORMALIZERS.items():
        state = [0.0, 0.0, 0.0]
        for place, names in enumerate((("lo", "mean"), ("hi", "sqrs"))):
            for name in names:
                state[place] += start.get(f"{theirs}/{name}", 0.0)
        state[2] = start.get(f"{theirs}/corr", 0.0)
        behavior.normalizers[ours].state.assign(state)


def assert_states(states, outputs, form):
    """Compares states of normalizers with outputs as far as there are any."""
    places = {"lo": 0, "mean": 0, "hi": 1, "sqrs": 1, "corr": 2}
    for ours, theirs in _NORMALIZERS.items():
        for name, place in places.items():
            key = form.format(theirs, name)
            if key in outputs:
                assert_close(states[ours][place], outputs[key], 1e-5, 1e-6)


def make_behavior(golden, tag, features, parts):
    """Makes a behavior with the variables of a variant of a file."""
    params = golden.meta(f"{tag}/params")
    found = golden.variables(tag)
    layers = [k for k in found if k.startswith("val/mlp/linear")]
    layers, units = len(layers) // 2, found["val/mlp/linear0/bias"].size
    critic, slow = (Head(layers, units, "symexp_two_hot") for _ in range(2))
    actor = Policy(parts, layers, units) if parts else None
    for part in (critic, slow, actor):
        if part is not None:
            part.build(features)
    slow_critic = SlowCopy(critic, slow)
    for scope, part in {"val": critic, "slowval": slow, "pol": actor}.items():
        if part is not None:
            weights.load_weights(part, golden.variables(f"{tag}/{scope}"))
    chosen = {
        ours: make_normalizer(
            params.get(theirs, _RETNORM if ours == "return" else _NONE)
        )
        for ours, theirs in _NORMALIZERS.items()
    }
    behavior = Behavior(
        None,
        None,
        None,
        actor,
        critic,
        slow_critic,
        normalizers=chosen,
        settings=BehaviorSettings(
            discount=1 - 1 / params["horizon"],
            cont_discounts=params.get("contdisc", True),
            lambda_=params["lam"],
            entropy=params.get("actent", 0.0),
            slow_regularizer=params["slowreg"],
            slow_returns=params["slowtar"],
        ),
    )
    set_states(behavior, golden.meta("norm_start"))
    return behavior


def gradients_of(tape, loss, parts):
    named = {
        f"{scope}/{name}": variable
        for scope, part in parts.items()
        for name, variable in part.original_variables().items()
    }
    flat = tape.gradient(loss, list(named.values()))
    return dict(zip(named, flat, strict=True))


def action_parts(golden, tag):
    """Returns parts and vectors `[H + 1, N, A]` of a variant's actions."""
    parts, vectors = {}, []
    for name in sorted(golden.meta(f"{tag}/actions")):
        array = golden[f"in/{name}"]
        if array.dtype.kind == "i":
            bias = golden.variables(tag)[f"pol/head/{name}/logits/bias"]
            parts[name] = gymnasium.spaces.Discrete(bias.size)
            array = np.eye(bias.size, dtype=np.float32)[array]
        else:
            shape = array.shape[2:]
            parts[name] = gymnasium.spaces.Box(-1, 1, shape)
        vectors.append(array)
    return parts, tf.constant(_turned(np.concatenate(vectors, -1)))


def check_actor_critic(golden, run):
    for tag in golden.tags():
        check_one_actor_critic(golden, run, tag)


def check_one_actor_critic(golden, run, tag):
    parts, action = action_parts(golden, tag)
    features = tf.constant(_turned(golden["in/feat"]))
    futures = Futures(
        features,
        action,
        tf.constant(golden["in/reward"].T),
        tf.constant(golden["in/con"].T),
    )
    behavior = make_behavior(golden, tag, features.shape[-1], parts)

    def compute():
        with tf.GradientTape() as tape:
            losses, scalars, target, states = behavior.imagined_losses(
                futures, behavior.states
            )
            loss = sum(tf.reduce_mean(x) for x in losses.values())
        nets = {"pol": behavior.actor, "val": behavior.critic}
        values = [
            critic(features).mean()
            for critic in (behavior.critic, behavior.slow_critic)
        ]
        entropies = {
            name: (tf.reduce_mean(part.entropy()[:-1]), part.mean().shape[-1])
            for name, part in behavior.actor(features).parts.items()
        }
        found = {"ret": target, "policy": losses["actor"]}
        found |= {"value": losses["value"], "pred": values[0]}
        found["slow"] = values[1]
        gradients = gradients_of(tape, loss, nets)
        return found, scalars, entropies, states, gradients

    found, scalars, entropies, states, gradients = run(compute)
    outputs = golden.group(f"out/{tag}")
    for name, value in found.items():
        assert_close(tf.transpose(value), outputs[name], 1e-5, 1e-5)
    scalars = {theirs: scalars[ours] for theirs, ours in METRICS.items()}
    for name, (entropy, size) in entropies.items():
        scalars[f"ent/{name}"] = entropy
        scalars[f"rand/{name}"] = entropy / np.log(size)
    for name, expected in golden.table(f"{tag}/metrics").items():
        assert_close(scalars[name], expected, 1e-5, 1e-5)
    for name, expected in golden.table(f"{tag}/grads").items():
        assert_summary(gradients[name], expected)
    assert_states(states, outputs, "{}_{}")


def check_replay_value_loss(golden, run):
    for tag in golden.tags():
        check_one_replay_value_loss(golden, run, tag)


def check_one_replay_value_loss(golden, run, tag):
    inputs = {k: tf.constant(v) for k, v in golden.group("in").items()}
    features = inputs["feat"]
    behavior = make_behavior(golden, tag, features.shape[-1], {})

    def compute():
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            loss, target, states = behavior.replay_loss(
                features,
                inputs["reward"],
                inputs["is_terminal"],
                inputs["is_last"],
                inputs["boot"],
                behavior.states,
            )
            mean = tf.reduce_mean(loss)
        gradients = gradients_of(tape, mean, {"val": behavior.critic})
        found = {"repval": loss, "ret": target}
        found["grad_feat"] = tape.gradient(mean, features)
        return found, states, gradients

    found, states, gradients = run(compute)
    outputs = golden.group(f"out/{tag}")
    for name, value in found.items():
        assert_close(value, outputs[name], 1e-5, 1e-5)
    for name, expected in golden.table(f"{tag}/grads").items():
        assert_summary(gradients[name], expected)
    assert_states(states, outputs, "{}_{}")


def _turned(array):
    return np.swapaxes(array, 0, 1)


CHECKS = {
    "actor_critic": check_actor_critic,
    "replay_value_loss": check_replay_value_loss,
}
