"""Returns and behavior against DreamerV3's golden numbers."""

import numpy as np
import tensorflow as tf
from golden_dreamer_exploration import assert_summaries, check_plan2explore
from golden_files import assert_close

from planet_tf2.agents.dreamer.behavior import Behavior, BehaviorSettings
from planet_tf2.agents.dreamer.imagination import imagine
from planet_tf2.agents.dreamer.latents import Categoricals
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.agents.dreamer.returns import (
    ReturnNormalizer,
    lambda_return,
    offset_and_scale,
)
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.nets import DistributionHead, weights
from planet_tf2.nets.clipped_optimizers import ClippedOptimizer


def check_lambda_return(golden, run):
    inputs = [golden[f"in/{x}"] for x in ("reward", "value", "discount")]
    for name, expected in golden.group("out").items():
        mix = float(name.removeprefix("lambda_"))
        found = run(lambda mix=mix: lambda_return(*inputs, mix))
        assert_close(found, expected)


def check_reward_ema(golden, run):
    normalizer = ReturnNormalizer(1 - golden.meta("alpha"))
    for step in range(len(golden.group("in"))):

        def move(step=step):
            ema = normalizer.moved(tf.constant(golden[f"in/returns{step}"]))
            return ema, *offset_and_scale(ema)

        ema, offset, scale = run(move)
        normalizer.ema.assign(ema)
        assert_close(ema, golden[f"out/ema{step}"])
        assert_close(offset, golden[f"out/offset{step}"])
        assert_close(scale, golden[f"out/scale{step}"])


class Parts:
    """What a file's behavior consists of, with the file's variables.

    Args:
      golden: the file.
      params: its parameters.
      group: of its variables, see `Golden.variables`.
    """

    def __init__(self, golden, params, group=""):
        self._golden, self._params, self._group = golden, params, group
        self._feature_size = params["dyn_deter"]
        self._feature_size += params["dyn_stoch"] * params["dyn_discrete"]

    def load(self, part, scope):
        part.build(self._feature_size)
        arrays = self._golden.variables(scope, self._group)
        weights.load_weights(part, arrays)
        return part

    def head(self, scope, dist="symlog_disc"):
        params = self._params
        head = DistributionHead((), params["layers"], params["units"], dist)
        return self.load(head, scope)

    def actor(self):
        params, actor = self._params, self._params["actor"]
        policy = Policy(
            params["num_actions"],
            actor["layers"],
            params["units"],
            actor["dist"],
            std=actor["std"],
            min_std=actor["min_std"],
            max_std=actor["max_std"],
            unimix=actor["unimix_ratio"],
        )
        return self.load(policy, "actor")

    def settings(self):
        params, critic = self._params, self._params["critic"]
        return BehaviorSettings(
            params["imag_horizon"],
            params["discount"],
            params["discount_lambda"],
            params["imag_gradient"],
            params["imag_gradient_mix"],
            params["actor"]["entropy"],
            params["reward_EMA"],
            critic["slow_target_update"],
            critic["slow_target_fraction"],
            reference=True,
        )

    def behavior(self, reward, *, rssm=None, actor=None, slow=None):
        """Makes a behavior; `slow` is the scope of the slow critic."""
        behavior = Behavior(
            rssm,
            reward,
            self.head("cont", "binary"),
            actor,
            self.head("critic"),
            slow and self.head(slow),
            settings=self.settings(),
        )
        if slow:  # It begins as a copy of the critic.
            arrays = self._golden.variables(slow, self._group)
            weights.load_weights(behavior.slow_critic, arrays)
        behavior.normalizer.ema.assign(self._golden["in/ema"])
        return behavior


def features_of(golden):
    """Returns the features `[..., F]` of states that a file gives."""
    stoch, deter = golden["in/stoch"], golden["in/deter"]
    stoch = stoch.reshape((*deter.shape[:-1], -1))
    return np.concatenate([stoch, deter], -1)


def check_actor_loss(golden, run):
    for tag in golden.tags():
        check_one_actor_loss(golden, run, tag)


def check_one_actor_loss(golden, run, tag):
    features, reward = features_of(golden), golden["in/reward"][..., 0]
    params = golden.meta(f"{tag}/params")
    group = "reinforce" if tag == "reinforce" else "dynamics"
    parts = Parts(golden, params, group)
    behavior = parts.behavior(lambda *_: reward, actor=parts.actor())
    choices = params["actor"]["dist"] == "onehot"
    action = golden["in/action_onehot" if choices else "in/action"]

    def compute():
        ones = tf.ones(features.shape[1])
        imagined = behavior.evaluate(features, action, ones)
        policy = behavior.actor(features)
        ema = behavior.moved_ema(imagined)
        objective = behavior.objective(imagined, policy, ema)
        loss, entropy = behavior.actor_loss(imagined, ema)
        return {
            "target": imagined.target,
            "weights": imagined.weight,
            "value": imagined.value,
            "base": imagined.value[:-1],
            "discount": imagined.discount,
            "entropy": entropy,
            "log_prob": policy.log_prob(action),
            "loss_per_step": -imagined.weight[:-1] * objective,
            "loss": loss,
            "ema": ema,
        }

    found = run(compute)
    for name, expected in golden.group(f"out/{tag}").items():
        assert_close(np.reshape(found[name], expected.shape), expected)


def check_critic_loss(golden, run):
    features, reward = features_of(golden), golden["in/reward"][..., 0]
    parts = Parts(golden, golden.meta("params"))
    behavior = parts.behavior(lambda *_: reward, slow="slow_critic")

    def compute():
        ones = tf.ones(features.shape[1])
        imagined = behavior.evaluate(features, None, ones)
        value = behavior.critic(features[:-1])
        slow = behavior.slow_critic(features[:-1]).mode()
        return {
            "target": imagined.target,
            "weights": imagined.weight,
            "target_loss": -value.log_prob(imagined.target),
            "slow_loss": -value.log_prob(slow),
            "slow_value": slow,
            "loss": behavior.critic_loss(imagined),
        }

    found = run(compute)
    for name, expected in golden.group("out").items():
        assert_close(np.reshape(found[name], expected.shape), expected)


def check_train_behavior(golden, run):
    params = golden.meta("params")
    parts = Parts(golden, params)
    actor, reward = parts.actor(), parts.head("reward")
    behavior = parts.behavior(
        lambda features, _: reward(features).mode(),
        rssm=make_rssm(golden, params),
        actor=actor,
        slow="slow_critic",
    )
    train = Training(golden, params, behavior)
    steps = {name.split("/")[0] for name in golden.group("out")} - {"after"}
    for step in range(len(steps)):
        found, gradients = run(lambda step=step: train(step))
        train.check(step, found, gradients)
    for name in ("actor", "critic", "slow_critic"):
        module = getattr(behavior, name)
        values = module.original_variables()
        assert_summaries(values, golden.group(f"out/after/{name}"))
    assert_close(behavior.normalizer.ema, golden["out/after/ema"])


def make_rssm(golden, params):
    latents = Categoricals(
        params["dyn_stoch"], params["dyn_discrete"], params["unimix_ratio"]
    )
    rssm = RSSM(latents, params["dyn_deter"], params["dyn_hidden"])
    rssm.build(params["num_actions"], 1)
    arrays = golden.variables("rssm")
    for name, variable in rssm.original_variables().items():
        if not name.startswith("obs_"):
            variable.assign(arrays.pop(name))
    assert not arrays
    return rssm


class Training:
    """Updates a behavior as a file says.

    Args:
      golden: the file.
      params: its parameters.
      behavior: what to train.
    """

    def __init__(self, golden, params, behavior):
        self._golden, self._params = golden, params
        self._behavior = behavior
        self._optimizers = {
            name: ClippedOptimizer(
                variables, "adam", part["lr"], part["eps"], part["grad_clip"]
            )
            for (name, variables), part in zip(
                behavior.groups.items(),
                (params["actor"], params["critic"]),
                strict=True,
            )
        }

    def __call__(self, step):
        """Updates it, and returns scalars and gradients by group."""
        behavior = self._behavior
        start = {}
        for name in ("stoch", "deter"):
            state = self._golden[f"in/{name}"]
            start[name] = tf.reshape(state, [-1, *state.shape[2:]])
        stoch = start["stoch"]
        start["logit"] = tf.zeros_like(stoch)
        horizon, count = self._params["imag_horizon"], stoch.shape[0]
        behavior.move_targets()
        with tf.GradientTape(persistent=True) as tape:
            _, features, action = imagine(
                behavior.rssm,
                behavior.actor,
                start,
                horizon,
                self._noise(step, horizon, stoch.shape),
            )
            imagined = behavior.evaluate(features, action, tf.ones(count))
            losses, scalars, pending = behavior.losses_of(imagined)
        gradients = {
            name: tape.gradient(losses[name], variables)
            for name, variables in behavior.groups.items()
        }
        for name, optimizer in self._optimizers.items():
            optimizer.apply(gradients[name])
            scalars[f"{name}_loss"] = losses[name]
            norm = tf.linalg.global_norm(gradients[name])
            scalars[f"{name}_grad_norm"] = norm
        behavior.commit(pending)
        found = {"feat": features, "action": action, "weights": imagined.weight}
        return scalars | found, gradients

    def _noise(self, step, horizon, shape):
        of_action = (horizon, shape[0], self._params["num_actions"])
        zeros = np.zeros(of_action, np.float32)
        eps = self._golden.group("in").get(f"eps{step}", zeros)
        return np.zeros((horizon - 1, *shape), np.float32), eps

    def check(self, step, found, gradients):
        expected = self._golden.group(f"out/step{step}")
        for name, value in expected.items():
            if not name.startswith("grad/"):
                actual = np.reshape(found.pop(name), value.shape)
                assert_close(actual, value, 1e-5, 1e-5)
        assert found.keys() <= {"feat", "action", "weights"}
        known = {
            id(variable): gradient
            for name, variables in self._behavior.groups.items()
            for variable, gradient in zip(
                variables, gradients[name], strict=True
            )
        }
        for name in ("actor", "critic"):
            named = getattr(self._behavior, name).original_variables()
            assert_summaries(
                {key: known[id(value)] for key, value in named.items()},
                self._golden.group(f"out/step{step}/grad/{name}"),
            )


CHECKS = {
    "lambda_return": check_lambda_return,
    "reward_ema": check_reward_ema,
    "actor_loss": check_actor_loss,
    "critic_loss": check_critic_loss,
    "train_behavior_dynamics": check_train_behavior,
    "train_behavior_reinforce": check_train_behavior,
    "plan2explore": check_plan2explore,
}
