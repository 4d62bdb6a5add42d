"""World model and its training against DreamerV3's golden numbers."""

import re

import gymnasium
import numpy as np
import tensorflow as tf
from golden_dreamer_files import assert_summary
from golden_files import assert_close

from planet_tf2 import agents
from planet_tf2.agents.dreamer.latents import Categoricals, Normals
from planet_tf2.agents.dreamer.learner import make_learner
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.nets import weights
from planet_tf2.nets.module import Module


def make_rssm(golden, tag):
    params = golden.meta(f"{tag}/params")
    variables, classes = golden.meta("stoch"), golden.meta("discrete")
    if classes:
        latents = Categoricals(variables, classes, params["unimix_ratio"])
    else:
        names = ("mean_act", "std_act", "min_std")
        latents = Normals(variables, **{name: params[name] for name in names})
    rssm = RSSM(
        latents,
        golden.meta("deter"),
        golden.meta("hidden"),
        activation=params["act"].lower(),
        norm=params["norm"],
        initial=params["initial"],
    )
    rssm.build(golden.meta("action"), golden.meta("embed"))
    weights.load_weights(rssm, golden.variables(f"{tag}/rssm"))
    return rssm


def assert_state(state, golden, prefix):
    expected = golden.group(prefix)
    assert set(state) == set(expected), prefix
    for name, value in expected.items():
        assert_near(state[name], value)


def assert_near(actual, desired, rtol=1e-5):
    """Rounding in one entry makes errors in others, whatever their size."""
    assert_close(actual, desired, rtol, 1e-6 + rtol * abs(desired).max())


def check_rssm(golden, run):
    inputs = {k: tf.constant(v) for k, v in golden.group("in").items()}
    embed, action = inputs["embed"], inputs["actions"]
    is_first, some = inputs["is_first"], inputs["step_is_first"]
    state = {
        name.removeprefix("state/"): value
        for name, value in inputs.items()
        if name.startswith("state/")
    }
    for tag in golden.tags():
        rssm = make_rssm(golden, tag)
        initial = run(lambda rssm=rssm: rssm.initial(embed.shape[0]))
        assert_state(initial, golden, f"out/{tag}/initial")
        step = run(lambda rssm=rssm: rssm.img_step(state, action[:, 0]))
        assert_state(step, golden, f"out/{tag}/img_step")
        for name, first in (
            ("none", tf.zeros_like(some)),
            ("some", some),
            ("all", tf.ones_like(some)),
        ):
            step = run(
                lambda rssm=rssm, first=first: rssm.obs_step(
                    state, action[:, 0], embed[:, 0], first
                )
            )
            for kind, result in zip(("post", "prior"), step, strict=True):
                prefix = f"out/{tag}/obs_step_{name}/{kind}"
                assert_state(result, golden, prefix)
        states = run(lambda rssm=rssm: rssm.observe(embed, action, is_first))
        for kind, result in zip(("post", "prior"), states, strict=True):
            assert_state(result, golden, f"out/{tag}/observe/{kind}")
        check_states(golden, run, rssm, tag, *states)


def check_states(golden, run, rssm, tag, posterior, prior):
    """Checks what is computed of states, and what they lead to."""
    action = golden["in/actions"]
    expected = golden.group(f"out/{tag}")
    start = {name: value[:, 1] for name, value in posterior.items()}
    imagined = run(lambda: rssm.imagine(start, action[:, 2:]))
    assert_state(imagined, golden, f"out/{tag}/imagine")
    assert_near(run(lambda: rssm.features(posterior)), expected["feat"])
    for name, state in (("post", posterior), ("prior", prior)):
        entropy = run(lambda state=state: rssm.distribution(state).entropy())
        assert_near(entropy, expected[f"entropy/{name}"])
    frees = {re.match(r"kl_free_([^/]*)/|", name)[1] for name in expected}
    for free in frees - {None}:
        dyn, rep, value = run(
            lambda free=free: rssm.kl(posterior, prior, float(free))
        )
        found = {"dyn": dyn, "rep": rep, "value": value}
        found["loss"] = 0.5 * dyn + 0.1 * rep
        for name, tensor in found.items():
            assert_near(tensor, expected[f"kl_free_{free}/{name}"])


class NoBehavior(Module):
    """What learns nothing from the world model."""

    groups = {}

    def move_targets(self):
        pass

    def losses(self, context, seed):
        return {}, {}, ()

    def commit(self, pending):
        pass


def make_world(golden):
    """Makes the world model of a file, its optimizer, and its batch."""
    batch = {k: tf.constant(v) for k, v in golden.group("in").items()}
    given = golden.meta("params")
    names = set(batch) - {"action", "reward", "is_first", "is_terminal"}
    coder = {"mlp_keys": ".*", "cnn_keys": ".*"}
    for name in ("cnn_depth", "mlp_layers", "mlp_units"):
        coder[name] = given.pop(name)
    params = {"encoder": coder, "decoder": coder}
    for head in ("reward", "cont"):
        scale = given.pop(f"{head}_loss_scale")
        params[f"{head}_head"] = {"loss_scale": scale}
        params[f"{head}_head"]["layers"] = given["head_layers"]
    size = given.pop("num_actions")
    given.pop("head_layers")
    params = agents.resolve("default", "", {**params, **given}, "dreamer")
    spaces = {}
    for name in sorted(names):
        shape = batch[name].shape[2:]
        images = name == "image"
        kind = np.uint8 if images else np.float32
        high = 255 if images else np.inf
        spaces[name] = gymnasium.spaces.Box(
            -high * (not images), high, shape, kind
        )
    model = WorldModel(
        params,
        gymnasium.spaces.Dict(spaces),
        gymnasium.spaces.Box(-1, 1, (size,)),
    )
    weights.load_weights(model, golden.variables())
    batch["terminal"] = batch.pop("is_terminal")
    batch["reward"] = batch["reward"][..., 0]
    # The files have modes for samples.
    model.rssm.latents.noise = lambda seed, shape: tf.zeros(shape)
    return make_learner(params, model, NoBehavior()), batch


def check_train_step(golden, run):
    learner, batch = make_world(golden)
    model, seed = learner.model, tf.constant([0, 0])
    variables = model.original_variables()
    order = {id(v): i for i, v in enumerate(model.groups["model"])}
    for step in range(2):
        expected = golden.group(f"out/step{step}")
        _, gradients, _ = run(lambda: learner._model_gradients(batch, seed))
        if step == 0:
            check_inference(golden, run, model, batch)
        for name, variable in variables.items():
            gradient = gradients["model"][order[id(variable)]]
            assert_summary(gradient, golden[f"out/step{step}/grad/{name}"])
        scalars = run(lambda: learner.update(batch, seed))
        check_scalars(model, scalars, expected)
    for name, variable in variables.items():
        # A step is at most the learning rate, 1e-4.
        assert_summary(variable, golden[f"out/after/{name}"], 3e-7)


def check_inference(golden, run, model, batch):
    prefix = "out/step0"
    seed = tf.constant([0, 0])
    posterior, prior, embed = run(
        lambda: model.infer(model.prepare(batch), seed)
    )
    assert_state(posterior, golden, f"{prefix}/post")
    assert_near(embed, golden[f"{prefix}/embed"])
    divergence = model.rssm.divergence(posterior, prior)
    assert_near(divergence, golden[f"{prefix}/kl_per_step"], 1e-5)


def check_scalars(model, scalars, expected):
    checked = 0
    for name, value in expected.items():
        if "/" in name or value.ndim:
            continue
        ours = name.removesuffix("_loss")
        assert_close(
            scalars[ours if ours in model.loss_names else name], value, 1e-4
        )
        checked += 1
    assert checked >= 11


CHECKS = {
    "rssm_discrete": check_rssm,
    "rssm_continuous": check_rssm,
    "train_step_discrete": check_train_step,
    "train_step_continuous": check_train_step,
}
