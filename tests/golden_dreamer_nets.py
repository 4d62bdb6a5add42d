"""Networks and distributions of `nets/` against DreamerV3's golden numbers."""

import numpy as np
import tensorflow as tf
from golden_files import assert_close

from planet_tf2.nets import (
    MLP,
    ImageDecoder,
    ImageEncoder,
    NormGRUCell,
    VectorDecoder,
    weights,
)
from planet_tf2.nets.normed_conv import image_distribution
from planet_tf2.nets.symlog import (
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
        assert_close(embed, golden[f"out/{tag}/embed"])


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
            assert_close(log_prob, expected.pop("log_prob"))
            check_images(dist.mean().numpy().astype(np.float64), expected)


def check_images(mean, expected):
    found = {
        "mean": mean[0, 0],
        "mean_corner": mean[:, :, :4, :4],
        "mean_sum": mean.sum((2, 3, 4)),
        "mean_l2": np.sqrt((mean**2).sum((2, 3, 4))),
    }
    for name, value in expected.items():
        assert_close(found[name], value)


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


CHECKS = {
    "encoder_cnn": check_encoder_cnn,
    "encoder_mlp": check_encoder_mlp,
    "decoder_cnn": check_decoder_cnn,
    "decoder_mlp": check_decoder_mlp,
    "gru_cell": check_gru_cell,
}
