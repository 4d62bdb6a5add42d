"""World model and its training against DreamerV3's golden numbers."""

import re

import tensorflow as tf
from golden_files import assert_close

from planet_tf2.agents.dreamer.latents import Categoricals, Normals
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.nets import weights


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


CHECKS = {
    "rssm_discrete": check_rssm,
    "rssm_continuous": check_rssm,
}
