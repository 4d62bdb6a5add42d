"""What the summaries of an epoch compute of a batch, in one graph.

A few sequences are predicted in three ways: by the posterior, which sees every
step; by the prior, which sees all steps but the one that it predicts; and in an
open loop, which sees the first few steps only.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from planet_tf2.agents.planet import losses
from planet_tf2.agents.planet.preprocess import postprocess
from planet_tf2.agents.planet.unroll import open_loop
from planet_tf2.tools import seeds

Tensors = dict[str, tf.Tensor]

ROWS = ("truth", "prediction", "error", "change")

_HORIZONS = (1, 2, 5, 10, 20, 30, 40, 50)
_LATENTS = 6  # Entries of the latent state that are plotted.


class Computed(NamedTuple):
    """What is to be written.

    Attributes:
      scalars: by tag.
      histograms: values to count, by tag.
      videos: uint8 `[N, T, H, W, 3]`, by group and then by row, see `ROWS`. The
        group `prior` is that of the prior in a closed loop.
      trajectories: of the first sequence, what the open loop predicts of each
        head that is no image, and of the latent state, as pairs of truth and
        prediction `[T, D]`. The truth of the latent state is the posterior.
      log_probs: of the first sequence in the open loop, by head, `[T]`, but for
        those that leave no doubt, and `divergence`, KL(posterior || open loop).
    """

    scalars: Tensors
    histograms: Tensors
    videos: dict[str, Tensors]
    trajectories: dict[str, tuple[tf.Tensor, tf.Tensor]]
    log_probs: Tensors


def context_length(length: int, context: int) -> int:
    """Steps to see of a sequence: so many, but half of it at most."""
    return max(1, min(context, length // 2))


def compute(
    model: Any, bits: int, context: int, batch: Tensors, seed: tf.Tensor
) -> Computed:
    """Predicts the sequences of a batch in all three ways.

    Args:
      model: the world model.
      bits: bits per colour that the model sees.
      context: steps that the open loop sees; see `context_length`.
      batch: as stored, `[B, T, ...]`.
      seed: int32 `[2]`, determines everything random.
    """
    cell = model.cell
    image_seed, latent_seed, noise_seed = seeds.split(seed, 3)
    batch_size, length = batch["image"].shape[:2]
    context = context_length(length, context)
    batch = model.prepare(batch, image_seed)
    prior, posterior = model.infer(batch, latent_seed)
    noise = tf.random.stateless_normal(
        [length, 2, batch_size, cell.latent_size], noise_seed
    )
    embedded = model.encoder(batch["image"][:, :context])
    predicted = open_loop(cell, embedded, batch["action"], context, noise)
    scalars, histograms = _describe_states(
        cell, prior, posterior, predicted, context
    )
    videos: dict[str, Tensors] = {}
    truth = _truth(batch["image"], bits)
    for group, prefix, states, start in (
        ("closedloop", "closedloop/", posterior, 0),
        ("prior", "closedloop/prior_", prior, 0),
        ("openloop", "openloop/", predicted, context),
    ):
        features = cell.features_from_state(states)
        dists = {name: head(features) for name, head in model.heads.items()}
        log_probs = {
            name: dist.log_prob(batch[name])
            for name, dist in dists.items()
            if losses.has_density(dist)
        }
        scalars |= _head_scalars(prefix, dists, log_probs, batch, start)
        videos[group] = _rows(truth, dists["image"])
    # What is left of the loop belongs to the open loop.
    scalars |= _horizon_scalars(dists["image"], batch["image"], context)
    if context == length:  # A single step: nothing was predicted.
        scalars, histograms = (
            {k: v for k, v in x.items() if not k.startswith("openloop/")}
            for x in (scalars, histograms)
        )
    log_probs["divergence"] = cell.divergence_from_states(posterior, predicted)
    return Computed(
        scalars,
        histograms,
        videos,
        _trajectories(dists, batch, posterior, predicted),
        {name: value[0] for name, value in log_probs.items()},
    )


def _describe_states(
    cell: Any,
    prior: Tensors,
    posterior: Tensors,
    predicted: Tensors,
    start: int,
) -> tuple[Tensors, Tensors]:
    """How sure the model is, and how far what it sees moves it, in nats.

    Returns:
      Scalars and histograms by tag.
    """
    late = {name: value[:, start:] for name, value in predicted.items()}
    seen = {name: value[:, start:] for name, value in posterior.items()}
    kl = cell.divergence_from_states
    values = {
        "closedloop/divergence": kl(posterior, prior),
        "openloop/divergence": kl(seen, late),
    }
    stddevs = {}
    for tag, state in (
        ("closedloop/prior", prior),
        ("closedloop/posterior", posterior),
        ("openloop/prior", late),
    ):
        values[f"{tag}_entropy"] = cell.dist_from_state(state).entropy()
        stddevs[f"{tag}_stddev"] = state["stddev"]
    scalars = {k: tf.reduce_mean(v) for k, v in {**values, **stddevs}.items()}
    return scalars, {f"{tag}_histogram": v for tag, v in values.items()}


def _head_scalars(
    prefix: str,
    dists: Mapping[str, Any],
    log_probs: Tensors,
    batch: Tensors,
    start: int,
) -> Tensors:
    """How well the heads predict the time steps from `start` on."""
    result = {}
    for name, dist in dists.items():
        error = tf.abs(dist.mean() - batch[name])[:, start:]
        if name in log_probs:
            result[f"{prefix}{name}_log_prob"] = tf.reduce_mean(
                log_probs[name][:, start:]
            )
        result[f"{prefix}{name}_abs_error"] = tf.reduce_mean(error)
    return result


def _horizon_scalars(dist: Any, image: tf.Tensor, context: int) -> Tensors:
    """Half the squared error, summed over an image, so many steps ahead.

    It is the image loss without its constant.
    """
    error = tf.square(dist.mean() - image)[:, context:]
    error = tf.reduce_sum(error, [2, 3, 4]) / 2
    error = tf.reduce_mean(error, 0)
    return {
        f"openloop/image_error_ahead_{ahead:02}": error[ahead - 1]
        for ahead in _HORIZONS
        if ahead <= error.shape[0]
    }


def _truth(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Returns what a perfect prediction would show, in 0 to 1.

    It is the image without the noise: each level at its centre.
    """
    return postprocess(image, bits) + 0.5 / 2**bits


def _rows(truth: tf.Tensor, dist: Any) -> Tensors:
    """Returns the videos of `ROWS`, uint8; in the last two, grey is nothing."""
    prediction = tf.cast(dist.mean(), tf.float32) + 0.5
    shown = tf.clip_by_value(prediction, 0, 1)
    change = shown[:, 1:] - shown[:, :-1]
    change = tf.concat([tf.zeros_like(shown[:, :1]), change], 1)
    videos = (truth, shown, (shown - truth + 1) / 2, (change + 1) / 2)
    return {
        name: tf.image.convert_image_dtype(value, tf.uint8, saturate=True)
        for name, value in zip(ROWS, videos, strict=True)
    }


def _trajectories(
    dists: Mapping[str, Any],
    batch: Tensors,
    posterior: Tensors,
    predicted: Tensors,
) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """Returns truth and prediction `[T, D]` of the first sequence."""
    result = {
        name: (batch[name][0], dist.mean()[0])
        for name, dist in dists.items()
        if batch[name].shape.rank <= 3  # No images.
    }
    result["latent"] = tuple(
        state["mean"][0, :, :_LATENTS] for state in (posterior, predicted)
    )
    length = batch["action"].shape[1]
    return {
        name: tuple(tf.reshape(x, [length, -1]) for x in pair)
        for name, pair in result.items()
    }
