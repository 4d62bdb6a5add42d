"""World model and acting against golden numbers of DreamerV3 2025."""

import re

import numpy as np
import tensorflow as tf
from golden_2025_nets import layers_and_units
from golden_dreamer_world import assert_near, assert_state
from golden_files import assert_close
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.agents.dreamer.actor import DreamerActor
from planet_tf2.agents.dreamer.edition_2025.heads import Policy
from planet_tf2.agents.dreamer.edition_2025.rssm import BlockRSSM
from planet_tf2.agents.dreamer.edition_2025.world_model import WorldModel
from planet_tf2.agents.dreamer.latents import Categoricals
from planet_tf2.nets import weights

_RSSM = {
    "deter": "dyn_deter",
    "hidden": "dyn_hidden",
    "stoch": "dyn_stoch",
    "classes": "dyn_discrete",
    "unimix": "unimix_ratio",
    "blocks": "dyn_blocks",
    "dynlayers": "dyn_layers",
    "imglayers": "img_layers",
    "obslayers": "obs_layers",
    "absolute": "dyn_absolute",
    "free_nats": "kl_free",
}
_CODER = {
    "depth": "cnn_depth",
    "mults": "mults",
    "kernel": "kernel_size",
    "layers": "mlp_layers",
    "units": "mlp_units",
    "outer": "outer",
    "strided": "strided",
    "bspace": "bspace",
}


def make_rssm(given, variables, action_size, embed_size):
    """Makes latent dynamics of a file's settings and variables."""
    rssm = BlockRSSM(
        Categoricals(given["stoch"], given["classes"], given["unimix"]),
        given["deter"],
        given["hidden"],
        blocks=given["blocks"],
        dyn_layers=given["dynlayers"],
        img_layers=given["imglayers"],
        obs_layers=given["obslayers"],
        absolute=given["absolute"],
    )
    rssm.build(action_size, embed_size)
    weights.load_weights(rssm, variables)
    return rssm


def join_actions(inputs, described):
    """Joins actions, described as 'name size kind', sorted by their names."""
    parts = []
    for name, size, kind in sorted(line.split() for line in described):
        part = inputs[name]
        discrete = kind == "discrete"
        parts.append(tf.one_hot(part, int(size)) if discrete else part)
    return tf.concat(parts, -1)


def check_rssm(golden, run):
    inputs = golden.group("in")
    carry = golden.group("in/carry")
    carry["logit"] = tf.zeros_like(carry["stoch"])
    carry = tf.nest.map_structure(tf.constant, carry)
    embed, some = inputs["tokens"], inputs["step_is_first"]
    for tag in golden.tags():
        action = join_actions(inputs, golden.meta(f"{tag}/actions"))
        rssm = make_rssm(
            golden.meta(f"{tag}/params"),
            golden.variables(f"{tag}/dyn"),
            action.shape[-1],
            embed.shape[-1],
        )
        out = f"out/{tag}"
        step = run(lambda r=rssm, a=action: r.img_step(carry, a[:, 0]))
        assert_near(step["deter"], golden[f"{out}/core"])
        prior = run(lambda r=rssm: r._prior(carry["deter"]))
        assert_near(prior["logit"], golden[f"{out}/prior"])
        firsts = {"none": some & False, "some": some, "all": some | True}
        for name, first in firsts.items():
            step, _ = run(
                lambda r=rssm, a=action, f=first: r.obs_step(
                    carry, a[:, 0], embed[:, 0], f
                )
            )
            assert_state(step, golden, f"{out}/observe_{name}")
        states = run(
            lambda r=rssm, a=action: r.observe(
                embed, a, inputs["is_first"], None, carry
            )
        )
        assert_state(states[0], golden, f"{out}/observe")
        check_states(golden, run, rssm, tag, action, *states)


def check_states(golden, run, rssm, tag, action, posterior, prior):
    """Checks what is computed of states, and what they lead to."""
    expected = golden.group(f"out/{tag}")
    start = {name: value[:, 1] for name, value in posterior.items()}
    imagined = run(lambda: rssm.imagine(start, action[:, 2:]))
    assert_state(imagined, golden, f"out/{tag}/imagine")
    for name, state in (("dyn_ent", prior), ("rep_ent", posterior)):
        entropy = run(lambda s=state: rssm.distribution(s).entropy())
        assert_near(tf.reduce_mean(entropy), expected[name])
    frees = {re.match(r"free_([^/]*)/|", name)[1] for name in expected}
    for free in frees - {None}:
        found = run(lambda f=free: rssm.kl(posterior, prior, float(f))[:2])
        for name, tensor in zip(("dyn", "rep"), found, strict=True):
            assert_near(tensor, expected[f"free_{free}/{name}"])
    stored = rssm.to_store(posterior)
    again = rssm.from_store(stored)
    for name in stored:
        tf.debugging.assert_near(again[name], posterior[name], atol=1e-6)


def make_params(golden, **more):
    """Returns our parameters for the settings of a file."""
    given = golden.meta("params")
    params = {ours: given["rssm"][name] for name, ours in _RSSM.items()}
    for name, ours in (("enc", "encoder"), ("dec", "decoder")):
        coder = given.get(name, {})
        params[ours] = {_CODER[k]: v for k, v in coder.items() if k in _CODER}
        params[ours] |= {"mults": list(coder["mults"])} if coder else {}
    if "dec" not in given:
        params["decoder"] = {"mlp_keys": "$^", "cnn_keys": "$^"}
    for name, scope in (("reward", "rew"), ("cont", "con")):
        if golden.variables(scope):
            layers, params["units"] = layers_and_units(golden, scope)
            params[f"{name}_head"] = {"layers": layers}
    params["edition"] = 2025
    return agents.resolve("default", "", {**params, **more}, "dreamer")


def make_space(golden, observ):
    """Returns what there is to observe in a file: `[B, T, ...]` by name."""
    found = {}
    kernel = golden.variables("enc")["mlp0/kernel"]
    floats = [x for x in observ.values() if x.dtype == np.float32]
    classes = len(kernel) - sum(int(np.prod(x.shape[2:])) for x in floats)
    for name, value in observ.items():
        shape = value.shape[2:]
        if value.dtype == np.uint8:
            found[name] = spaces.Box(0, 255, shape, np.uint8)
        elif value.dtype == np.float32:
            found[name] = spaces.Box(-np.inf, np.inf, shape)
        else:
            found[name] = spaces.Discrete(classes)
    return spaces.Dict(found)


def make_policy(golden, parts, feature_size):
    given = golden.meta("params")["policy"]
    policy = Policy(
        parts,
        given["layers"],
        given["units"],
        min_std=given["minstd"],
        max_std=given["maxstd"],
    )
    policy.build(feature_size)
    weights.load_weights(policy, golden.variables("pol"))
    return policy


def check_policy_step(golden, run):
    """Actions are choices and vectors at once, which no environment has."""
    observ, eps = golden.group("in"), golden["in/eps"]
    del observ["eps"]
    is_first = observ.pop("is_first")
    size, length = is_first.shape
    count = golden.variables("pol")["head/key/logits/bias"].size
    moves = spaces.Box(-1, 1, eps.shape[2:])
    joined = spaces.Box(-1, 1, (count + eps.shape[2],))
    space = make_space(golden, observ)
    model = WorldModel(make_params(golden), space, joined)
    weights.load_weights(model.encoder, golden.variables("enc"))
    # Who acts needs no prior, and the files have none.
    named = model.rssm.original_variables()
    prior = {k: np.asarray(v) for k, v in named.items() if "prior" in k}
    weights.load_weights(model.rssm, {**prior, **golden.variables("dyn")})
    parts = {"move": moves, "key": spaces.Discrete(count)}
    policy = make_policy(golden, parts, model.rssm.feature_size)
    # The files have modes for samples of latent states.
    actor = DreamerActor(size, model, policy, None, joined, True, samples=True)
    everyone = tf.range(size)
    for step in range(length):
        actor.begin_episode(tf.where(is_first[:, step])[:, 0])
        noise = tf.concat([tf.zeros([size, count]), eps[step]], -1)
        policy.noise = lambda seed, shape, noise=noise: noise
        seen = {name: value[:, step] for name, value in observ.items()}
        seed = tf.constant([1, step])
        action = run(lambda s=seen, x=seed: actor.perform(everyone, s, 0.0, x))
        expected = golden.group(f"out/step{step}")
        assert_close(
            tf.argmax(action[:, :count], -1), expected["action/key"], 0, 0
        )
        move = expected["action/move"]
        assert_close(action[:, count:], np.clip(move, -1, 1), 1e-5, 1e-5)
        remembered = actor.saved["action"][:, count:]
        assert_close(remembered, move, 1e-5, 1e-5)
        for name in ("deter", "stoch"):
            value = expected[f"dyn/{name}"]
            assert_close(actor.state[name], value, 1e-5, 1e-5)


CHECKS = {"block_gru_rssm": check_rssm, "policy_step": check_policy_step}
