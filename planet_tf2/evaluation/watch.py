"""An episode of a trained agent as a GIF: what it did, and what it imagined."""

import dataclasses
import os
import pathlib
import tempfile

import numpy as np

from planet_tf2.configs import tasks
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation import held_out, rollouts
from planet_tf2.evaluation.figures import COLORS, GREY, SEEN, new_figure
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.predictions import BATCH, Predictor, Window
from planet_tf2.tools import video
from planet_tf2.tools.plain_text import one_line

_FRAMES = 160  # Of the GIF, at most.
_CURVES = 4
_SIDE = 400  # Of a picture in pixels, about, or of two below each other.
_RANDOM = 3  # Episodes of random actions to compare with.

Curves = dict[str, tuple[np.ndarray, ...]]


def watch(
    folder: RunFolder,
    out: str | os.PathLike[str] = "watch.gif",
    *,
    checkpoint: str | None = None,
    task: str | None = None,
    steps: int | None = None,
    context: int = 5,
    horizon: int = 45,
    fps: float = 15,
    seed: int = 0,
) -> float:
    """Plays an episode without noise, writes a GIF of it, returns its return.

    Again and again the model sees a few time steps, and then imagines what the
    actions that were taken lead to. Nothing is written into the run's folder.

    Args:
      folder: the run, see `runs.find_run`.
      out: GIF file.
      checkpoint: which one to load; by default the newest.
      task: task to play; by default the first that it was trained on.
      steps: decisions to play, at most; by default a whole episode.
      context: time steps that are seen at a time.
      horizon: time steps that are imagined then.
      fps: frames per second. Of long episodes, frames are left out.
      seed: determines all randomness; a whole number of at least 0.

    Raises:
      ValueError: for whatever the user can mend.
    """
    out = pathlib.Path(out).with_suffix(".gif")
    check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    task = task or run.params["tasks"][0]
    if steps is not None:
        spec = tasks.get_task(task)
        limit = steps * (run.params["action_repeat"] or spec.action_repeat)
        limit = min(limit, spec.max_length or limit)
        params = type(run.params)({**run.params, "time_limit": limit})
        run = dataclasses.replace(run, params=params)
    drawn = rollouts.can_be_drawn(run, task)
    (played,) = rollouts.play(run, task, 1, seed, record=True, images=drawn)
    with (
        tempfile.TemporaryDirectory() as place,
        rollouts.open_task(run, task, place, blocking=True) as env,
    ):
        others = [x["return"] for x in random_episodes(env, _RANDOM, seed)]
    print(
        f"Return {played.score:.1f} in {played.length} decisions of {task} "
        f"(random actions, {_RANDOM} episodes: {np.mean(others):.1f})"
    )
    episode = HeldOut("", held_out.FRESH, task, played.arrays, run.images)
    pictures, curves = imagine(run, episode, context, horizon, seed)
    frames = lay_out(pictures, curves, context, context + horizon)
    make_folder(out.parent)
    palette = video.choose_palette(frames[::10], [video.SEEN])
    video.write_gif(out, frames, fps, palette=palette)
    print(f"Written: {out}")
    return played.score


def imagine(
    run: LoadedRun, episode: HeldOut, context: int, horizon: int, seed: int = 0
) -> tuple[list[np.ndarray], Curves]:
    """Imagines an episode, in pieces of `horizon` steps, of which see `watch`.

    Returns:
      Images uint8 `[T+1, H, W, 3]`: those that came and those imagined, as far
      as there are any. And numbers `[T+1]` by name, likewise: the reward, and
      each entry of the vectors that the model predicts.
    """
    arrays = episode.arrays
    image = episode.shown if run.images else arrays.get("image")
    pictures = [] if image is None else [image]
    if not run.agent.has_model:
        return pictures, {"reward": (arrays["reward"],)}
    count, length = len(arrays["reward"]), context + horizon
    # What comes behind the end changes nothing before it.
    rows = np.minimum(np.arange(-(-count // length) * length), count - 1)
    padded = episode._replace(arrays={k: v[rows] for k, v in arrays.items()})
    windows = [Window(0, start) for start in range(0, len(rows), length)]
    predictor = Predictor(run, seed)
    parts = [
        predictor.open_loop([padded], windows[n : n + BATCH], context, length)
        for n in range(0, len(windows), BATCH)
    ]
    guessed = {"reward": [x.reward for x in parts]}
    guessed |= {k: [x.others[k] for x in parts] for k in parts[0].others}
    curves: Curves = {}
    for name in filter(arrays.__contains__, guessed):
        guess = np.concatenate(guessed[name]).reshape(len(rows), -1)[:count]
        truth = arrays[name].reshape(count, -1)
        for n in range(truth.shape[1]):
            entry = f"{name} {n}" if truth.shape[1] > 1 else name
            curves[entry] = truth[:, n], guess[:, n]
    if run.images:
        pixels = np.concatenate([x.image for x in parts]).clip(-0.5, 0.5) + 0.5
        pixels = pixels.reshape(-1, *pixels.shape[2:])[:count]
        pictures.append(np.rint(255 * pixels).astype(np.uint8))
    return pictures, curves


def lay_out(
    pictures: list[np.ndarray], curves: Curves, context: int, length: int
) -> np.ndarray:
    """Lays out what `imagine` returned as a video, uint8 `[N, H, W, 3]`.

    Pictures have green lines, and curves a green ground, while the model sees
    the truth, `context` of `length` time steps. Of many curves the reward and
    those that change most are drawn.
    """
    count = len(curves["reward"][0])
    times = np.arange(0, count, -(-count // _FRAMES))
    parts, height = [], _SIDE
    if pictures:
        side = pictures[0].shape[1]
        rows = [
            video.magnify(x[times][None], side, _SIDE // len(pictures))
            for x in pictures
        ]
        looks = (times % length < context) & (len(pictures) > 1)
        lined = [video.side_by_side(*rows, context=n) for n in (0, count)]
        frames = np.where(looks[:, None, None, None], *lined[::-1])
        captions = [
            f"decision {n}{', looking' if look else ''}"
            for n, look in zip(times, looks, strict=True)
        ]
        labels = ("did", "imagined")[: len(pictures)]
        parts = [video.add_labels(frames, labels, captions)]
        height = parts[0].shape[1]
    return np.concatenate(
        [*parts, _draw(curves, times, context, length, height)], 2
    )


def _draw(
    curves: Curves, times: np.ndarray, context: int, length: int, height: int
) -> np.ndarray:
    """Draws curves up to each time, behind which they fade."""
    ranked = sorted(
        curves, key=lambda n: (n != "reward", -np.std(curves[n][0]))
    )[:_CURVES]
    rows, columns = min(2, len(ranked)), -(-len(ranked) // 2)
    size = 4.8 / columns, (height + 0.5) / 100 / rows
    figure, axes = new_figure(rows, columns, *size)
    places = [ax for row in axes for ax in row]
    for ax, name in zip(places, ranked, strict=False):
        ax.set_title(one_line(name, 40))
        for values, color in zip(curves[name], (GREY, COLORS[0]), strict=False):
            ax.plot(values, color=color)
        for start in range(0, len(values), length):
            ax.axvspan(start - 0.5, start + context - 0.5, color=SEEN)
        ax.set_xlim(0, len(values) - 1)
        ax.set_xlabel("decision; grey: truth, blue: imagined", fontsize=7)
    for ax in places[len(ranked) :]:
        ax.set_visible(False)
    figure.canvas.draw()
    ground = np.asarray(figure.canvas.buffer_rgba())[:height, :, :3]
    frames = np.stack([ground] * len(times))
    for ax in places[: len(ranked)]:
        box = ax.get_window_extent()
        top, bottom = height - int(box.y1), height - int(box.y0)
        for frame, time in zip(frames, times, strict=True):
            now = int(ax.transData.transform((time, 0))[0])
            later = frame[top:bottom, now : int(box.x1) + 3]
            later[:] = later // 4 + 191
            later[:, :2] = 0
    return frames
