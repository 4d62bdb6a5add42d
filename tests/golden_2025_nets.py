"""Layers, coders and heads against golden numbers of DreamerV3 2025."""

import collections
import math

import gymnasium
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from golden_files import assert_close

from planet_tf2.agents.dreamer.edition_2025.coders import Decoder, Encoder
from planet_tf2.agents.dreamer.edition_2025.heads import Head, Policy
from planet_tf2.nets import weights
from planet_tf2.nets.one_hot import OneHot, binary
from planet_tf2.nets.symexp_two_hot import SymexpTwoHot, buckets
from planet_tf2.nets.symlog import MSE, SquashedMSE, symlog


def layers_and_units(golden, scope, name="mlp/linear"):
    """Returns how many hidden layers a file has below a scope, and units."""
    named = golden.variables(scope)
    kernels = [
        key for key in named if key.startswith(name) and key.endswith("kernel")
    ]
    return len(kernels), named[kernels[0]].shape[-1]


def load(part, golden, scope, *size):
    """Builds a part for inputs of a size and gives it the file's variables."""
    part.build(*size)
    weights.load_weights(part, golden.variables(scope))
    return part


def make_head(golden, scope, dist):
    head = Head(*layers_and_units(golden, scope), dist, 0.0)
    return load(head, golden, scope, golden["in/feat"].shape[-1])


def check_two_hot(golden, run):
    logits, target = golden["in/logits"], golden["in/target"]
    count = logits.shape[-1]
    assert_close(buckets(count), golden["out/bins"])
    even = golden["out/even_bins"]
    assert_close(buckets(len(even)), even)

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(logits))
            loss = -SymexpTwoHot(given).log_prob(target)
        return loss, tape.gradient(loss, given), SymexpTwoHot(given).mean()

    loss, gradient, mean = run(compute)
    assert_close(loss, golden["out/loss"])
    # A place between buckets is only known to 1e-6 of their distance.
    assert_close(gradient[:, ::17], golden["out/loss_grad"], 1e-5, 2e-6)
    assert_mean(mean, golden["out/pred"])
    wide = SymexpTwoHot(golden["in/wide_logits"])
    assert_mean(run(wide.mean), golden["out/wide_pred"])
    far = tf.one_hot(
        [0, count // 4 + 1, count // 2, count - 1], count, 0.0, -1e9
    )
    assert_close(run(SymexpTwoHot(far).mean), golden["out/far_pred"])
    check_two_hot_head(golden, run)


def assert_mean(actual, desired):
    """Of buckets that differ in size, all add their rounding errors."""
    assert_close(actual, desired, 1e-5, 1e-7 * buckets()[-1])


def check_two_hot_head(golden, run):
    features = golden["in/feat"]
    start = Head(*layers_and_units(golden, "rew"), "symexp_two_hot", 0.0)
    start.build(features.shape[-1])
    assert not golden["out/start/pred"].any()
    assert not run(lambda: start(features).mean()).numpy().any()
    head = make_head(golden, "rew", "symexp_two_hot")
    dist = (
        run(lambda: head(features).mean()),
        run(lambda: -head(features).log_prob(golden["in/head/target"])),
    )
    assert_mean(dist[0], golden["out/head/pred"])
    assert_close(dist[1], golden["out/head/loss"])


def check_heads(golden, run):
    inputs = golden.group("in/binary")
    dist = binary(inputs["logit"])
    expected = golden.group("out/binary")
    assert_close(
        run(lambda: -dist.log_prob(inputs["target"])), expected["loss"]
    )
    assert_close(run(dist.mean), expected["prob"])
    assert_close(run(dist.mode), expected["pred"])
    check_choices(golden, run)
    raw, value = golden["in/mse/raw"], golden["in/mse/value"]
    for name, kind in {"plain": MSE, "symlog": SquashedMSE}.items():
        loss = run(lambda k=kind: -k(raw, 1).log_prob(value))
        assert_close(loss, golden[f"out/mse/{name}"])
    con = make_head(golden, "con", "binary")
    prob = run(lambda: con(golden["in/feat"]).mean())
    assert_close(prob, golden["out/con/prob"])
    check_policy(golden, run, "pol", 0.1, 1.0)
    check_policy(golden, run, "narrow", 0.3, 0.6)


def check_choices(golden, run):
    inputs = golden.group("in/cat")
    chosen = tf.one_hot(inputs["index"], inputs["logits"].shape[-1])
    for tag in {key.split("/")[0] for key in golden.group("out/cat")}:
        rate = float(tag.removeprefix("unimix_"))

        def compute(rate=rate):
            dist, other = (OneHot(inputs[x], rate) for x in ("logits", "other"))
            return {
                "logp": dist.log_prob(chosen),
                "entropy": dist.entropy(),
                "kl": tfp.distributions.kl_divergence(dist, other),
                "logits": dist.logits,
                "pred": tf.argmax(dist.mode(), -1),
            }

        assert_all_close(run(compute), golden.group(f"out/cat/{tag}"))


def assert_all_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert_close(value, expected[name])


def check_policy(golden, run, scope, min_std, max_std):
    eps, move, key = (golden[f"in/{name}"] for name in ("eps", "move", "key"))
    count = golden.variables(scope)["head/key/logits/bias"].size
    parts = {
        "move": gymnasium.spaces.Box(-1, 1, move.shape[-1:]),
        "key": gymnasium.spaces.Discrete(count),
    }
    layers = layers_and_units(golden, scope)
    policy = Policy(parts, *layers, min_std=min_std, max_std=max_std)
    features = golden["in/feat"]
    load(policy, golden, scope, features.shape[-1])
    action = tf.concat([tf.one_hot(key, count), move], -1)
    noise = tf.concat([tf.zeros([*key.shape, count]), eps], -1)

    def compute():
        dist = policy(features)
        moves, keys = dist.parts["move"], dist.parts["key"]
        found = {
            "move/mean": moves.mean(),
            "move/std": moves.stddev(),
            "move/logp": moves.log_prob(move),
            "move/entropy": moves.entropy(),
            "move/sample": dist.sample_from(noise)[..., count:],
            "key/logits": keys.logits,
            "key/logp": keys.log_prob(action[..., :count]),
            "key/entropy": keys.entropy(),
        }
        return found, dist.log_prob(action), dist.entropy()

    found, log_prob, entropy = run(compute)
    assert_all_close(found, golden.group(f"out/{scope}"))
    for name, value in (("logp", log_prob), ("entropy", entropy)):
        assert_close(value, found[f"move/{name}"] + found[f"key/{name}"])


def image_settings(golden, tag, units):
    params = golden.meta(f"{tag}/params")
    params["cnn_depth"] = params.pop("depth")
    settings = {"strided": False, "outer": False, "mlp_units": units}
    settings |= {"symlog_inputs": True, "vector_dist": "symlog_mse"}
    settings |= {"cnn_keys": ".*", "mlp_keys": ".*", "outscale": 1.0}
    kernels = golden.variables(tag)
    kernel = kernels.get("enc/cnn0/kernel", kernels.get("dec/imgout/kernel"))
    return {**settings, "kernel_size": len(kernel), **params}


def image_space(golden, tag):
    """Returns the images in the order of the file, and them prepared."""
    images = {x: golden[f"in/{tag}/{x}"] for x in golden.meta(f"{tag}/keys")}
    boxes = [
        (name, gymnasium.spaces.Box(0, 255, image.shape[-3:], np.uint8))
        for name, image in images.items()
    ]
    space = gymnasium.spaces.Dict(collections.OrderedDict(boxes))
    return space, {k: x.astype(np.float32) / 255 for k, x in images.items()}


def assert_close_deep(actual, desired):
    """Compares what several convolutions compute, all in float32."""
    assert_close(actual, desired, 1e-5, 2e-5 * abs(desired).max())


def check_encoder_image(golden, run):
    for tag in golden.tags():
        space, images = image_space(golden, tag)
        encoder = Encoder(space, image_settings(golden, tag, 0))
        load(encoder, golden, f"{tag}/enc")
        tokens = run(lambda e=encoder, x=images: e(x))
        assert tokens.shape[-1] == encoder.embedding_size
        assert_close_deep(tokens, golden[f"out/{tag}/tokens"])


def features_of(golden, tag=""):
    deter, stoch = (golden[f"in/{tag}{x}"] for x in ("deter", "stoch"))
    flat = stoch.reshape(*stoch.shape[:-2], -1)
    return deter.shape[-1], np.concatenate([deter, flat], -1)


def check_decoder_image(golden, run):
    for tag in golden.tags():
        space, images = image_space(golden, tag)
        deter, features = features_of(golden, f"{tag}/")
        units = golden.variables(f"{tag}/dec")["sp1/bias"].size // 2
        decoder = Decoder(space, image_settings(golden, tag, units), deter)
        load(decoder, golden, f"{tag}/dec", features.shape[-1])

        def decode(decoder=decoder, features=features, images=images):
            return {
                name: (dist.mean(), -dist.log_prob(images[name]))
                for name, dist in decoder(features).items()
            }

        for name, (mean, loss) in run(decode).items():
            expected = golden.group(f"out/{tag}/{name}")
            assert_close_deep(loss, expected.pop("loss"))
            check_images(mean.numpy().astype(np.float64), expected)


def check_images(mean, expected):
    found = {
        "mean": mean[0, 0],
        "mean_corner": mean[:, :, :4, :4],
        "mean_sum": mean.sum((2, 3, 4)),
        "mean_l2": np.sqrt((mean**2).sum((2, 3, 4))),
    }
    for name, value in expected.items():
        assert_close_deep(found[name], value)


def vector_space(golden):
    """Whole numbers and bools are classes, as many as there are logits."""
    found = {}
    for key in golden.meta("keys"):
        value = golden[f"in/{key}"]
        shape = value.shape[2:]
        if value.dtype.kind == "f":
            found[key] = gymnasium.spaces.Box(-np.inf, np.inf, shape)
            continue
        logits = golden.variables("symlog/dec").get(f"vec/{key}/logits/bias")
        is_bool = value.dtype.kind == "b"
        count = 2 if is_bool else logits.size // math.prod(shape)
        classes = np.full(shape, count)
        found[key] = (
            gymnasium.spaces.MultiDiscrete(classes)
            if shape
            else gymnasium.spaces.Discrete(count)
        )
    return gymnasium.spaces.Dict(found)


def check_vectors(golden, run):
    space = vector_space(golden)
    deter, features = features_of(golden)
    vectors = {k: golden[f"in/{k}"].astype(np.float32) for k in space}
    for tag in golden.tags():
        predicted = golden.group(f"out/{tag}")
        tokens = predicted.pop("tokens")
        names = {key.split("/")[0] for key in predicted}
        layers, units = layers_and_units(golden, f"{tag}/enc", "mlp")
        settings = {
            "cnn_keys": "$^",
            "mlp_keys": ".*",
            "mlp_layers": layers,
            "mlp_units": units,
            "symlog_inputs": tag == "symlog",
            "vector_dist": "symlog_mse" if tag == "symlog" else "mse",
            "outscale": 1.0,
        }
        encoder = load(Encoder(space, settings), golden, f"{tag}/enc")
        assert_close(run(lambda e=encoder: e(vectors)), tokens)
        layers, units = layers_and_units(golden, f"{tag}/dec")
        settings |= {"mlp_layers": layers, "mlp_units": units}
        settings["mlp_keys"] = "|".join(f"{name}$" for name in names)
        decoder = Decoder(space, settings, deter)
        load(decoder, golden, f"{tag}/dec", features.shape[-1])

        def decode(decoder=decoder):
            found = {}
            for name, dist in decoder(features).items():
                mean = dist.mean()
                if isinstance(dist, SquashedMSE):
                    mean = symlog(mean)  # The author's is not mapped back.
                found[f"{name}/pred"] = mean
                found[f"{name}/loss"] = -dist.log_prob(vectors[name])
            return found

        assert_all_close(run(decode), predicted)


CHECKS = {
    "encoder_image": check_encoder_image,
    "decoder_image": check_decoder_image,
    "encoder_decoder_vector": check_vectors,
    "heads": check_heads,
    "two_hot": check_two_hot,
}
