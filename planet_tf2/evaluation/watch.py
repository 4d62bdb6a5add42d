"""An episode of a trained agent as a GIF: what it did, and what it imagined."""

import dataclasses
import os
import pathlib
import tempfile

import numpy as np
from matplotlib.axes import Axes

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

_COLUMNS, _CELLS = 3, 6
_FRAMES = 160  # Of the GIF, at most.
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
        params = {
            **run.params,
            "time_limit": min(limit, spec.max_length or limit),
        }
        run = dataclasses.replace(run, params=type(run.params)(params))
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

    What is green the model has seen, `context` of `length` time steps. Of many
    curves the reward and those that change most are drawn.
    """
    ranked = sorted(
        curves, key=lambda n: (n != "reward", -np.std(curves[n][0]))
    )
    names = ranked[: _CELLS - len(pictures)]
    rows = -(-(len(pictures) + len(names)) // _COLUMNS)
    figure, axes = new_figure(rows, _COLUMNS, 3.2, 2.9)
    cells = [ax for row in axes for ax in row]
    graphs = cells[len(pictures) :][: len(names)]
    for ax in cells:
        ax.set_axis_off() if ax not in graphs else None
    for ax, name in zip(graphs, names, strict=True):
        _draw(ax, name, curves[name], context, length)
    titles = "what it did", "what it imagined, after looking (green)"
    for ax, title in zip(cells[: len(pictures)], titles, strict=False):
        ax.set_title(title)
    figure.canvas.draw()
    ground = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    steps = len(curves["reward"][0])
    frames = []
    for time in range(0, steps, -(-steps // _FRAMES)):
        frames.append(ground.copy())
        for number, (ax, images) in enumerate(
            zip(cells, pictures, strict=False)
        ):
            seen = number and time % length < context
            _paste(frames[-1], ax, images[time], seen)
        for ax in graphs:
            _cover_future(frames[-1], ax, time)
    return np.stack(frames)


def _draw(
    ax: Axes, name: str, pair: tuple[np.ndarray, ...], context: int, length: int
) -> None:
    """Draws what came and what was imagined over time."""
    ax.set_title(one_line(name, 40))
    ax.set_xlim(0, len(pair[0]) - 1)
    for values, color in zip(pair, (GREY, COLORS[0]), strict=False):
        ax.plot(values, color=color)
    for start in range(0, len(pair[0]), length) if len(pair) > 1 else ():
        ax.axvspan(start - 0.5, start + context - 0.5, color=SEEN)
    ax.set_xlabel("decision; grey: truth, blue: imagined", fontsize=8)


def _box(frame: np.ndarray, ax: Axes) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of a part in pixels."""
    (left, bottom), (right, top) = ax.get_window_extent().get_points()
    height = len(frame)
    return int(left), int(height - top), int(right), int(height - bottom)


def _paste(frame: np.ndarray, ax: Axes, image: np.ndarray, seen: bool) -> None:
    """Puts an image in the middle of a part, as large as it can be."""
    left, top, right, bottom = _box(frame, ax)
    sides = np.array([bottom - top - 8, right - left - 8])
    factor = max(1, int((sides / image.shape[:2]).min()))
    image = video.enlarge(image, factor)[: sides[0], : sides[1]]
    image = video.side_by_side(image[None, None], context=seen, separator=4)[0]
    top += (bottom - top - image.shape[0]) // 2
    left += (right - left - image.shape[1]) // 2
    frame[top : top + image.shape[0], left : left + image.shape[1]] = image


def _cover_future(frame: np.ndarray, ax: Axes, time: int) -> None:
    """Lets what is still to come fade, behind a line."""
    _, top, right, bottom = _box(frame, ax)
    now = int(ax.transData.transform((time, 0))[0])
    later = frame[top:bottom, now : right + 3]
    later[:] = later // 4 + 191
    later[:, :2] = 0
