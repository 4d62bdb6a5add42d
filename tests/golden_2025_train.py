"""Two updates of everything against the golden numbers of 2025."""

import functools

import gymnasium
import numpy as np
import tensorflow as tf
from golden_2025_behavior import METRICS, assert_states, set_states
from golden_2025_core import join_actions, make_params, make_space
from golden_2025_nets import layers_and_units
from golden_dreamer_files import assert_summary
from golden_files import assert_close

from planet_tf2.agents.dreamer.edition_2025 import build
from planet_tf2.nets import weights

Box = gymnasium.spaces.Box

_LOSSES = {"rew": "reward", "con": "cont", "policy": "actor"}
_SAME = "retnorm valnorm advnorm imag_last ac_grads contdisc".split()
_LAPROP = "agc beta1 beta2 nesterov schedule warmup anneal".split()
_METRICS = {
    **METRICS,
    "dyn_ent": "prior_ent",
    "rep_ent": "post_ent",
    "opt/loss": "total",
    "opt/grad_norm": "total_grad_norm",
}


def train_params(golden):
    """Returns our parameters for the settings of a file."""
    given = golden.meta("params")
    scales, opt, slow = (given[k] for k in ("loss_scales", "opt", "slowvalue"))
    policy, imagined = given["policy"], given["imag_loss"]
    replayed, context = given["repl_loss"], given["replay_context"]
    assert all(imagined[name] == replayed[name] for name in ("lam", "slowreg"))
    stopped = {"reward": "reward_grad", "repval": "repval_grad"}
    heads = ["decoder", "reward", "cont", "repval"]
    size, length = golden["in/reward"].shape
    return make_params(
        golden,
        batch_size=size,
        batch_length=length - context,
        replay_context=context,
        dyn_outscale=given["rssm"]["outscale"],
        grad_heads=[k for k in heads if given.get(stopped.get(k), True)],
        actor={
            "layers": policy["layers"],
            "min_std": policy["minstd"],
            "max_std": policy["maxstd"],
            "outscale": policy["outscale"],
            "entropy": imagined["actent"],
            "loss_scale": scales["policy"],
        },
        critic={
            "layers": layers_and_units(golden, "val")[0],
            "loss_scale": scales["value"],
            "replay_scale": scales["repval"],
            "slow_reg": imagined["slowreg"],
            "slow_returns": imagined["slowtar"],
            "slow_target_update": slow["every"],
            "slow_target_fraction": slow["rate"],
        },
        laprop={k: v for k, v in opt.items() if k in _LAPROP},
        model_lr=opt["lr"],
        opt_eps=opt["eps"],
        weight_decay=opt["wd"],
        imag_horizon=given["imag_length"],
        discount=1 - 1 / given["horizon"],
        discount_lambda=imagined["lam"],
        dyn_scale=scales["dyn"],
        rep_scale=scales["rep"],
        **{name: given[name] for name in _SAME},
        **{
            "encoder.symlog_inputs": given["enc"]["symlog"],
            "decoder.outscale": given["dec"]["outscale"],
            "decoder.loss_scale": scales["rec"],
            "reward_head.loss_scale": scales["rew"],
            "cont_head.loss_scale": scales["con"],
        },
    )


class Training:
    """A learner with a file's variables, and the file's batch.

    Args:
      golden: the file.
    """

    def __init__(self, golden):
        self.golden = golden
        inputs, params = golden.group("in"), train_params(golden)
        observ = {name: inputs[name] for name in golden.meta("obs")}
        actions = golden.meta("actions").copy()
        vector = join_actions(inputs, actions)
        model = build.WorldModel(
            params, make_space(golden, observ), Box(-1, 1, vector.shape[2:])
        )
        parts = action_space(actions)
        behavior = build.make_behavior(params, model, parts)
        self.learner = build.make_learner(params, model, behavior)
        weights.load_weights(self.learner, golden.variables())
        set_states(behavior, golden.meta("norm_start"))
        self.batch = {name: tf.constant(x) for name, x in observ.items()}
        self.batch |= {
            "action": tf.roll(vector, 1, 1),
            "reward": tf.constant(inputs["reward"]),
            "is_first": tf.constant(inputs["is_first"]),
            "is_last": tf.constant(inputs["is_last"]),
            "terminal": tf.constant(inputs["is_terminal"]),
            "context/deter": tf.constant(inputs["dyn/deter"][:, 0]),
            "context/stoch": tf.argmax(inputs["dyn/stoch"][:, 0], -1, tf.int32),
        }
        self.noise = functools.partial(self._noise, inputs, actions)
        behavior.noise = lambda seed, count: self.noise(0)

    def _noise(self, inputs, actions, step):
        """Returns the noise of an update: of latents, none, and of actions."""
        given = tf.constant(inputs[f"eps{step}"])
        noise = [
            given
            if kind == "continuous"
            else tf.zeros([*given.shape[:2], int(size)])
            for _, size, kind in sorted(line.split() for line in actions)
        ]
        latent = self.learner.model.rssm.latents.shape
        steps, count = given.shape[0] - 1, given.shape[1]
        return tf.zeros([steps, count, *latent]), tf.concat(noise, -1)


def action_space(actions):
    """Makes the space of actions, described as 'name size kind'."""
    spaces = {}
    for name, size, kind in (line.split() for line in actions):
        is_box = kind == "continuous"
        box = Box(-1, 1, (int(size),))
        spaces[name] = box if is_box else gymnasium.spaces.Discrete(int(size))
    return gymnasium.spaces.Dict(spaces)


def check_first(training, run):
    """Compares what the first update computes beside scalars."""
    golden, learner = training.golden, training.learner
    model = learner.model

    def compute():
        batch = model.prepare(training.batch)
        losses, _, context = model.losses(batch, None)
        more, *_ = learner.behavior.losses(context, None)
        return {**losses, **more}, context["posterior"], context["embed"]

    losses, posterior, embed = run(compute)
    for name, expected in golden.group("out/step0/loss").items():
        found = losses[_LOSSES.get(name, name)]
        assert_close(found, expected, 1e-4, 1e-5)
    for name, expected in golden.group("out/step0/feat").items():
        assert_close(posterior[name], expected, 1e-4, 1e-5)
    assert_close(embed, golden["out/step0/tokens"], 1e-4, 1e-5)


def check_scalars(golden, scalars, step, learner):
    """Compares scalars, called as the golden files call them."""
    names = learner.original_variables()
    trained = [x for k, x in names.items() if not k.startswith("slowval")]
    count = sum(int(np.prod(x.shape)) for x in trained)
    found = {theirs: scalars[ours] for theirs, ours in _METRICS.items()}
    found["opt/param_count"] = count
    found["opt/updates"] = step + 1
    found["opt/grad_rms"] = scalars["total_grad_norm"] / np.sqrt(count)
    norm = np.sqrt(sum(np.sum(np.square(x)) for x in trained))
    found["opt/param_rms"] = norm / np.sqrt(count)
    table = golden.table(f"step{step}/metrics")
    entropies = [x for k, x in table.items() if k.startswith("ent/")]
    assert_close(scalars["actor_entropy"], sum(entropies), 1e-4, 1e-5)
    for name, expected in table.items():
        if name.startswith("loss/"):
            name = name.removeprefix("loss/")
            assert_close(scalars[_LOSSES.get(name, name)], expected, 1e-4, 1e-5)
        elif name in found:
            assert_close(found[name], expected, 1e-4, 1e-5)


def check_train_step(golden, run):
    training = Training(golden)
    learner, batch = training.learner, training.batch
    check_first(training, run)
    for step in range(2):
        learner.behavior.noise = lambda *_, step=step: training.noise(step)
        _, gradients, *_ = run(lambda: learner._gradients(batch, None))
        (optimizer,) = learner.optimizers.values()
        found = {
            id(variable): gradient
            for variable, gradient in zip(
                optimizer.variables_to_train, gradients, strict=True
            )
        }
        named = learner.original_variables()
        for name, expected in golden.table(f"step{step}/grads").items():
            assert_summary(found[id(named[name])], expected)
        before = [x.numpy() for x in optimizer.variables_to_train]
        scalars = run(lambda: learner.update(batch, None))
        check_scalars(golden, scalars, step, learner)
        change = sum(
            np.sum(np.square(x - old, dtype=np.float64))
            for x, old in zip(optimizer.variables_to_train, before, strict=True)
        )
        count = sum(x.size for x in before)
        table = golden.table(f"step{step}/metrics")
        assert_close(np.sqrt(change / count), table["opt/update_rms"], 1e-3)
        if step == 0:
            check_fresh(golden, learner)
    for name, expected in golden.table("after/weights").items():
        assert_summary(named[name], expected)
    outputs = golden.group("out/after")
    assert_states(learner.behavior.states, outputs, "{}/{}")


def check_fresh(golden, learner):
    """Compares the latent states that the replay gets."""
    expected = golden.group("out/step0/replay/dyn")
    found = learner.fresh_latents
    assert_close(found["deter"], expected["deter"], 1e-4, 1e-5)
    assert_close(found["stoch"], expected["stoch"].argmax(-1), 0, 0)


CHECKS = {
    "train_step_image": check_train_step,
    "train_step_options": check_train_step,
}
