"""Networks and distributions of `nets/` against DreamerV3's golden numbers."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from golden_files import assert_close

from planet_tf2.nets import (
    MLP,
    DistributionHead,
    ImageDecoder,
    ImageEncoder,
    NormGRUCell,
    VectorDecoder,
    weights,
)
from planet_tf2.nets.bounded_normal import make_normal
from planet_tf2.nets.normed_conv import image_distribution
from planet_tf2.nets.one_hot import OneHot, binary
from planet_tf2.nets.symlog import (
    MSE,
    SymlogMSE,
    SymlogTwoHot,
    symexp,
    symlog,
)


def load(part, golden, scope, size):
    """Builds a part for inputs of a size and gives it the file's variables."""
    part.build(size)
    weights.load_weights(part, golden.variables(scope))
    return part


def count(golden, scope, name="kernel"):
    """Returns how many layers of that name, `dense` or `conv`, there are."""
    return sum(
        key.startswith(name) and key.endswith("kernel")
        for key in golden.variables(scope)
    )


def joined_images(golden, tag, keys):
    images = [golden[f"in/{tag}/{key}"] for key in keys]
    return images, np.concatenate(images, -1).astype(np.float32) / 255


def assert_close_deep(actual, desired):
    """Compares what several convolutions compute, all in float32."""
    assert_close(actual, desired, 1e-5, 2e-5 * abs(desired).max())


def check_encoder_cnn(golden, run):
    for tag in golden.tags():
        _, image = joined_images(golden, tag, golden.meta(f"{tag}/keys"))
        encoder = ImageEncoder(
            golden.meta(f"{tag}/depth"),
            image.shape[-3:-1],
            norm=golden.meta(f"{tag}/norm"),
        )
        load(encoder, golden, f"{tag}/encoder/cnn", image.shape[-1])
        embed = run(lambda encoder=encoder, image=image: encoder(image - 0.5))
        assert embed.shape[-1] == encoder.embedding_size
        assert_close_deep(embed, golden[f"out/{tag}/embed"])


def check_encoder_mlp(golden, run):
    keys = golden.meta("keys")
    vectors = np.concatenate([golden[f"in/{key}"] for key in keys], -1)
    scope = "encoder/mlp"
    units = golden.variables(scope)["dense0/kernel"].shape[-1]
    mlp = MLP(count(golden, scope, "dense"), units)
    load(mlp, golden, scope, vectors.shape[-1])
    assert_close(run(lambda: mlp(symlog(vectors))), golden["out/embed"])


def check_decoder_cnn(golden, run):
    for tag in golden.tags():
        keys = golden.meta(f"{tag}/keys")
        images, image = joined_images(golden, tag, keys)
        features = golden[f"in/{tag}/feat"]
        decoder = ImageDecoder(
            golden.meta(f"{tag}/depth"),
            image.shape[-3:],
            norm=golden.meta(f"{tag}/norm"),
            sigmoid=golden.meta(f"{tag}/sigmoid"),
        )
        load(decoder, golden, f"{tag}/decoder/cnn", features.shape[-1])
        joined = run(
            lambda decoder=decoder, features=features: decoder(features)
        )
        means = tf.split(joined, [x.shape[-1] for x in images], -1)
        kind = golden.meta(f"{tag}/image_dist")
        for key, mean, image in zip(keys, means, images, strict=True):
            expected = golden.group(f"out/{tag}/{key}")
            dist = image_distribution(kind, mean)
            log_prob = dist.log_prob(image.astype(np.float32) / 255)
            assert_close_deep(log_prob, expected.pop("log_prob"))
            check_images(dist.mean().numpy().astype(np.float64), expected)


def check_images(mean, expected):
    found = {
        "mean": mean[0, 0],
        "mean_corner": mean[:, :, :4, :4],
        "mean_sum": mean.sum((2, 3, 4)),
        "mean_l2": np.sqrt((mean**2).sum((2, 3, 4))),
    }
    for name, value in expected.items():
        assert_close_deep(found[name], value)


def check_decoder_mlp(golden, run):
    scope = "decoder/mlp"
    features = golden["in/feat"]
    decoder = VectorDecoder(
        {key: golden[f"in/{key}"].shape[2:] for key in golden.meta("keys")},
        count(golden, scope, "dense"),
        golden.variables(scope)["dense0/kernel"].shape[-1],
    )
    load(decoder, golden, scope, features.shape[-1])

    def decode():
        return {
            key: (dist.mode(), dist.log_prob(golden[f"in/{key}"]))
            for key, dist in decoder(features).items()
        }

    for key, (mode, log_prob) in run(decode).items():
        assert_close(mode, golden[f"out/{key}/mode"])
        assert_close(log_prob, golden[f"out/{key}/log_prob"])


def check_gru_cell(golden, run):
    for tag in golden.tags():
        inputs = golden[f"in/{tag}/input"]
        state = golden[f"in/{tag}/state"]
        norm = "gru_norm/scale" in golden.variables(tag)
        cell = NormGRUCell(state.shape[-1], norm=norm)
        load(cell, golden, tag, inputs.shape[-1])
        found = run(lambda c=cell, x=inputs, h=state: c(x, h))
        assert_close(found, golden[f"out/{tag}/state"])


def compare(golden, scope, run, function, rtol=1e-5):
    """Compares a function's results with the outputs below a scope."""
    expected = golden.group(f"out/{scope}")
    found = run(function)
    assert found.keys() == expected.keys(), scope
    for name, value in found.items():
        value = tf.reshape(value, expected[name].shape)
        assert_close(value, expected[name], rtol)


def two_hot(inputs):
    dist = SymlogTwoHot(inputs["logits"])
    return {
        "buckets": dist.buckets,
        "log_prob": dist.log_prob(inputs["target"][..., 0]),
        "mean": dist.mean(),
        "mode": dist.mode(),
        "wide_mean": SymlogTwoHot(inputs["wide_logits"]).mean(),
    }


def yes_or_no(inputs):
    dist = binary(inputs["logit"], 1)
    results = {n: getattr(dist, n)() for n in ("mean", "mode", "entropy")}
    return {**results, "log_prob": dist.log_prob(inputs["target"])}


def one_hot(inputs, unimix):
    dist = OneHot(inputs["logits"], unimix)
    other = OneHot(inputs["other"], unimix)
    return {
        "probs": dist.mean(),
        "log_prob": dist.log_prob(inputs["action"]),
        "entropy": dist.entropy(),
        "mode": dist.mode(),
        "kl": tfp.distributions.kl_divergence(dist, other),
    }


def normal(inputs, name, bounds):
    raw = inputs["raw_mean"], inputs["raw_std"]
    dist = make_normal(name, *raw, 1, *bounds)
    return {
        "mean": dist.mean(),
        "std": dist.stddev(),
        "mode": dist.mode(),
        "entropy": dist.entropy(),
        "log_prob": dist.log_prob(inputs["action"]),
        "sample": dist.sample_from(inputs["eps"]),
    }


def variants(golden, scope):
    """Returns the numbers in the names of variants, by these names."""
    tags = {key.split("/")[0] for key in golden.group(f"out/{scope}")}
    return {tag: [float(x) for x in tag.split("_")[1::2]] for tag in tags}


def check_heads(golden, run):
    x = golden["in/symlog/x"]
    compare(
        golden,
        "symlog",
        run,
        lambda: {"symlog": symlog(x), "symexp_of_symlog": symexp(symlog(x))},
    )
    inputs = golden.group("in/twohot")
    # Near the ends a place between buckets is only known to 1e-5 of a step.
    compare(golden, "twohot", run, lambda: two_hot(inputs), 5e-5)
    values = golden.group("in/symlog_mse")
    for name, kind in {"symlog_mse": SymlogMSE, "mse": MSE}.items():
        dist = kind(values["raw"], 1)
        expected = golden.group(f"out/{name}")
        log_prob = run(lambda d=dist: d.log_prob(values["value"]))
        assert_close(log_prob, expected["log_prob"])
        assert_close(dist.mode(), expected.get("mode", values["raw"]))
    choice = golden.group("in/binary")
    compare(golden, "binary", run, lambda: yes_or_no(choice))
    classes = golden.group("in/onehot")
    for tag, rate in variants(golden, "onehot").items():
        compare(
            golden, f"onehot/{tag}", run, lambda r=rate: one_hot(classes, *r)
        )
    check_normals(golden, run)
    check_whole_heads(golden, run)


def check_normals(golden, run):
    inputs = golden.group("in/normal")
    names = {"normal": "normal", "trunc_normal": "clipped_normal"}
    for scope, ours in names.items():
        for tag, bounds in variants(golden, scope).items():
            compare(
                golden,
                f"{scope}/{tag}",
                run,
                lambda n=ours, b=bounds: normal(inputs, n, b),
            )
    fixed = make_normal("normal", inputs["raw_mean"], 1.0, 1)
    expected = golden.group("out/normal_std1")
    assert_close(fixed.stddev(), expected["std"])
    assert_close(fixed.log_prob(inputs["action"]), expected["log_prob"])


def make_head(golden, scope, shape, dist):
    layers = count(golden, scope, "dense")
    units = golden.variables(scope)["dense0/kernel"].shape[-1]
    head = DistributionHead(shape, layers, units, dist)
    size = golden[f"in/{scope}/feat"].shape[-1]
    return load(head, golden, scope, size)


def check_whole_heads(golden, run):
    reward = make_head(golden, "reward", (), "symlog_disc")
    shape = golden["out/actor/mean"].shape[2:]
    actor = make_head(golden, "actor", shape, "normal")

    def predict():
        dist = reward(golden["in/reward/feat"])
        target = golden["in/reward/target"][..., 0]
        return {"mean": dist.mean(), "log_prob": dist.log_prob(target)}

    def act():
        dist = actor(golden["in/actor/feat"])
        return {"mean": dist.mean(), "std": dist.stddev()}

    compare(golden, "reward", run, predict)
    compare(golden, "actor", run, act)


CHECKS = {
    "heads": check_heads,
    "encoder_cnn": check_encoder_cnn,
    "encoder_mlp": check_encoder_mlp,
    "decoder_cnn": check_decoder_cnn,
    "decoder_mlp": check_decoder_mlp,
    "gru_cell": check_gru_cell,
}
