"""Returns, normalisers and optimiser against the golden numbers of 2025."""

import numpy as np
import tensorflow as tf
from golden_files import assert_close

from planet_tf2.agents.dreamer.edition_2025.normalizers import Normalizer
from planet_tf2.agents.dreamer.returns import lambda_return
from planet_tf2.nets.laprop import LaProp, RampedRate

_DISCOUNT = 1 - 1 / 333


def check_lambda_return(golden, run):
    inputs = {
        name: tf.constant(value.T.astype(np.float32))
        for name, value in golden.group("in").items()
    }
    reward, boot = inputs["reward"], inputs["boot"]
    last, ends = inputs["is_last"], inputs["is_terminal"]
    for kind in ("imagined", "replayed"):
        for name, expected in golden.group(f"out/{kind}").items():
            mix = float(name.removeprefix("lambda_"))
            discount = inputs["con"]
            if kind == "replayed":
                discount, mix = _DISCOUNT * (1 - ends), mix * (1 - last)
            found = run(
                lambda d=discount, m=mix: lambda_return(reward, boot, d, m)
            )
            assert_close(tf.transpose(found), expected, 1e-5, 1e-5)


def make_normalizer(params):
    """Makes one from what the golden files say of it."""
    names = {"impl": "kind", "perclo": "low", "perchi": "high"}
    return Normalizer(**{names.get(k, k): v for k, v in params.items()})


def check_normalizers(golden, run):
    inputs = golden.group("in")
    for tag in golden.tags():
        normalizer = make_normalizer(golden.meta(f"{tag}/params"))
        outputs = golden.group(f"out/{tag}")
        found = normalizer.offset_and_scale(normalizer.state)
        assert_close(tf.stack(found), outputs["before"])
        for step in range(len(inputs)):

            def move(step=step, normalizer=normalizer):
                values = tf.constant(inputs[f"x{step}"])
                state = normalizer.moved(normalizer.state, values)
                return state, *normalizer.offset_and_scale(state)

            state, *found = run(move)
            normalizer.state.assign(state)
            assert_close(tf.stack(found), outputs[f"after{step}"], 2e-5)
            first, second, weight = state.numpy()
            known = {"lo": first, "hi": second, "corr": weight}
            known |= {"mean": first, "sqrs": second}
            for name, expected in golden.group(
                f"out/{tag}/state{step}"
            ).items():
                assert_close(known[name], expected)


def make_optimizer(variables, params):
    """Makes one from what the golden files say of it."""
    names = ("lr", "schedule", "warmup", "anneal")
    settings = {k: v for k, v in params.items() if k not in names}
    settings.pop("momentum")  # Without effect.
    renamed = {"agc": "clipping", "eps": "epsilon", "wd": "weight_decay"}
    return LaProp(
        variables,
        RampedRate(*(params[name] for name in names)),
        **{renamed.get(k, k): v for k, v in settings.items()},
    )


def check_optimizer(golden, run):
    names = golden.meta("names").copy()
    for tag in golden.tags():
        variables = {k: tf.Variable(golden[f"in/param/{k}"]) for k in names}
        optimizer = make_optimizer(variables, golden.meta(f"{tag}/params"))
        outputs = golden.group(f"out/{tag}")
        for step in range(len(outputs) - 1):
            gradients = [
                tf.constant(golden[f"in/grad{step}/{k}"]) for k in names
            ]
            found = run(lambda o=optimizer, g=gradients: _joined(o.apply(g)))
            expected = -outputs[f"update{step}"]
            # Squares of the smallest gradients are no normal float32.
            assert_close(found, expected, 1e-4, 1e-7 * abs(expected).max())
        after = _joined(list(variables.values()))
        assert_close(after, outputs["after"], 1e-6, 1e-7)


def _joined(tensors):
    return tf.concat([tf.reshape(x, [-1]) for x in tensors], 0)


CHECKS = {
    "lambda_return": check_lambda_return,
    "normalisers": check_normalizers,
    "optimiser": check_optimizer,
}
