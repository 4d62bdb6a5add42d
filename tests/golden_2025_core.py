"""World model and acting against golden numbers of DreamerV3 2025."""

import re

import tensorflow as tf
from golden_dreamer_world import assert_near, assert_state

from planet_tf2.agents.dreamer.edition_2025.rssm import BlockRSSM
from planet_tf2.agents.dreamer.latents import Categoricals
from planet_tf2.nets import weights


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


CHECKS = {"block_gru_rssm": check_rssm}
