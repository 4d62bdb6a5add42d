"""Shows what a model predicts without looking, beside what happened."""

import itertools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.figures import (
    COLORS,
    GREY,
    SEEN,
    new_figure,
    write_figure,
)
from planet_tf2.evaluation.frames import beside
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.predictions import BATCH, Predictor, Window, cut
from planet_tf2.tools import video
from planet_tf2.tools.plain_text import one_line

_ROWS = ("truth", "prediction", "error")
_ENTRIES, _COLUMNS = 24, 4  # Of vectors, that are drawn.


class Predicted(NamedTuple):
    """Sequences and what a model predicts of them.

    Attributes:
      truth: what happened, float32 `[N, L, H, W, 3]` in -0.5 to 0.5, several
        images beside each other; None if it predicts none.
      prediction: what the model says, the same.
      context: frames that the model sees.
      vectors: truth and prediction, float32 `[N, L, D]`, of each vector that it
        predicts.
    """

    truth: np.ndarray | None
    prediction: np.ndarray | None
    context: int
    vectors: Mapping[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def errors(self) -> np.ndarray:
        """Mean squared error of a pixel in the frames behind the context."""
        error = np.square(self.prediction - self.truth)[:, self.context :]
        return error.mean((2, 3, 4))  # [N, H]

    @property
    def still_errors(self) -> np.ndarray:
        """The same if the last frame that is seen stayed, `[N, H]`."""
        last = self.truth[:, self.context - 1 : self.context]
        return np.square(last - self.truth)[:, self.context :].mean((2, 3, 4))


def video_prediction(
    folder: RunFolder,
    out: str | os.PathLike[str],
    *,
    checkpoint: str | None = None,
    episodes_dir: str | os.PathLike[str] | None = None,
    sequences: int = 6,
    context: int = 5,
    horizon: int = 45,
    fps: float = 10,
    seed: int = 0,
) -> None:
    """Writes a GIF, an MP4, and a plot of the error against the horizon.

    Vectors are drawn, too; without images, that is all.
    The sequences are of the latest episodes that the model did not learn from.
    Nothing is written into the folder of the run.

    Args:
      folder: the run, see `runs.find_run`.
      out: GIF file; beside it come an MP4 file of the same name and a PNG file
        that ends in `-error`. Vectors go to one that ends in `-vectors`.
      checkpoint: which one to load; by default the newest.
      episodes_dir: folder of episodes; by default the run's test episodes.
      sequences, context, horizon, seed: see `predict`.
      fps: frames per second.

    Raises:
      ValueError: for whatever the user can mend.
    """
    out = pathlib.Path(out).with_suffix(".gif")
    check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    run.check_predicts("observations")
    episodes = held_out.load_held_out(run, max(20, sequences), episodes_dir)
    predicted = predict(run, episodes, sequences, context, horizon, seed)
    make_folder(out.parent)
    step = f"step {run.step:,}"
    if predicted.vectors:
        path = out.with_name(f"{out.stem}-vectors.png")
        write_figure(path, draw_vectors(predicted, step))
        print(f"Written: {path}")
    if predicted.truth is None:
        return
    frames = lay_out(predicted)
    video.write_gif(out, frames, fps)
    video.write_mp4(out.with_suffix(".mp4"), frames, fps)
    plot_path = out.with_name(f"{out.stem}-error.png")
    write_figure(plot_path, draw_errors(predicted, step))
    ratio = predicted.errors.mean() / max(predicted.still_errors.mean(), 1e-12)
    print(
        f"Error over {predicted.errors.shape[1]} steps after {context} frames: "
        f"{ratio:.2f} of a still picture's (one sampled future)"
    )
    print(f"Written: {out}, {out.stem}.mp4 and {plot_path.name}")


def predict(
    run: LoadedRun,
    episodes: Sequence[HeldOut],
    sequences: int,
    context: int = 5,
    horizon: int = 45,
    seed: int = 0,
) -> Predicted:
    """Predicts sequences of the latest episodes.

    Args:
      run: the loaded run.
      episodes: the episodes, the latest last.
      sequences: how many to predict, at most `BATCH`; each of another episode
        as long as there are enough.
      context: frames that the model sees.
      horizon: frames to predict, at most: as many as the episodes allow.
      seed: determines all randomness; a whole number of at least 0.

    Raises:
      EpisodesError: all episodes are too short.
      ValueError: a number is out of its range.
    """
    if not 1 <= sequences <= BATCH:
        raise ValueError(
            f"sequences must be from 1 to {BATCH}, not {sequences}."
        )
    length = context + held_out.limit_horizon(episodes, context, horizon)
    windows = _choose(episodes, length, sequences)
    predictor = Predictor(run, seed)
    found = predictor.open_loop(episodes, windows, context, length)
    vectors = {}
    for name, predicted in found.others.items():
        if name in episodes[0].arrays:
            pair = cut(episodes, windows, name, length), predicted
            shape = *predicted.shape[:2], -1
            vectors[name] = tuple(x.reshape(shape) for x in pair)
    if found.image is None:
        return Predicted(None, None, context, vectors)
    stored = {
        name: tf.constant(cut(episodes, windows, name, length))
        for name in run.images
    }
    seen = run.agent.truth(stored)
    truth = beside([seen[name].numpy() for name in run.images]) - 0.5
    return Predicted(truth, found.image, context, vectors)


def lay_out(predicted: Predicted, scale: int = 2) -> np.ndarray:
    """Lays truth, prediction and error out as a video uint8 `[L, H, W, 3]`.

    While the lines are green, the model sees the truth. Grey is no error. A
    pixel becomes a square with sides of `scale`.
    """
    error = (predicted.prediction - predicted.truth) / 2
    rows = []
    for image in (predicted.truth, predicted.prediction, error):
        pixels = np.rint(np.clip(image + 0.5, 0, 1) * 255).astype(np.uint8)
        rows.append(video.enlarge(pixels, scale))
    frames = video.side_by_side(*rows, context=predicted.context)
    captions = [
        f"frame {time + 1}: sees the truth"
        if time < predicted.context
        else f"predicts {time - predicted.context + 1} ahead without seeing"
        for time in range(len(frames))
    ]
    return video.add_labels(frames, _ROWS, captions)


def draw_errors(predicted: Predicted, title: str) -> Figure:
    """Draws the errors against the number of steps ahead."""
    figure, ((ax,),) = new_figure(1, 1, 5.2, 3.6)
    steps = np.arange(1, predicted.errors.shape[1] + 1)
    for errors, color, name in (
        (predicted.still_errors, COLORS[1], "no change"),
        (predicted.errors, COLORS[0], "model"),
    ):
        for one in errors:
            ax.plot(steps, one, color=color, linewidth=0.5, alpha=0.4)
        label = f"{name}, mean of {len(errors)}"
        ax.plot(steps, errors.mean(0), color=color, label=label)
    variance = predicted.truth.var((0, 1)).mean()
    ax.axhline(variance, color=GREY, linestyle=":", label="frames' variance")
    ax.set_title(f"Open-loop image error, {title}")
    ax.set_xlabel(f"steps ahead, after {predicted.context} frames")
    ax.set_ylabel("mean squared error of a pixel")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False)
    return figure


def draw_vectors(predicted: Predicted, title: str) -> Figure:
    """Draws entries of vectors of the last sequence, truth and prediction."""
    entries = [
        (f"{name} {entry}" if truth.shape[-1] > 1 else name, *pair)
        for name, (truth, prediction) in predicted.vectors.items()
        for entry, pair in enumerate(
            zip(truth[-1].T, prediction[-1].T, strict=True)
        )
    ][:_ENTRIES]
    columns = min(_COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    figure, axes = new_figure(rows, columns, 3.4, 2.2)
    figure.suptitle(f"Prediction without looking, {title}", fontsize=11)
    places = list(itertools.chain(*axes))
    for ax in places[len(entries) :]:
        ax.set_visible(False)
    for ax, (name, truth, prediction) in zip(places, entries, strict=False):
        ax.set_title(one_line(name, 40))
        ax.axvspan(0.5, predicted.context + 0.5, color=SEEN)
        frames = np.arange(1, len(truth) + 1)
        ax.plot(frames, truth, color=GREY, label="truth")
        ax.plot(frames, prediction, color=COLORS[0], label="prediction")
    places[0].legend(fontsize=8, frameon=False)
    for ax in axes[-1]:
        ax.set_xlabel("frame; the model sees those on green", fontsize=8)
    return figure


def _choose(
    episodes: Sequence[HeldOut], length: int, amount: int
) -> list[Window]:
    """Chooses sequences of the latest episodes, from beginning to end."""
    rest = [episode.length + 1 - length for episode in episodes]
    positions = [p for p, left in enumerate(rest) if left >= 0][-amount:]
    chosen = [positions[index % len(positions)] for index in range(amount)]
    starts = np.linspace(0, 1, amount) * [rest[p] for p in chosen]
    return [
        Window(position, int(start))
        for position, start in zip(chosen, starts.round(), strict=True)
    ]
