"""Writes a page that shows why the planner did what it did."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.inspector import charts
from planet_tf2.evaluation.inspector.inspection import (
    Decision,
    choose_decisions,
    choose_episode,
    inspect,
)
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.report import page
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.tools import video
from planet_tf2.tools.files import write_atomically

_FPS = 10
_MAX_FRAMES = 150
_SIZE = 192  # Height of the episode's frames in pixels, about.
_SHOWN = 4  # Entries of actions in tables.


def inspect_planner(
    folder: RunFolder,
    out: str | os.PathLike[str],
    *,
    episode: str | None = None,
    decisions: Sequence[str | int] | None = None,
    checkpoint: str | None = None,
    seed: int = 0,
) -> None:
    """Shows decisions of a stored episode as an HTML file. Needs no simulator.

    For each decision it has mean and spread of the search in each iteration,
    the plan, expected and received rewards, and imagined frames beside real
    ones; besides, the divergence of posterior and prior over the episode.
    Nothing is written into the folder of the run.

    Args:
      folder: the run, see `runs.find_run`.
      out: HTML file.
      episode: which one, see `choose_episode`; by default the latest test
        episode.
      decisions: numbers of decisions, from 0; by default three.
      checkpoint: which one to load; by default the newest.
      seed: determines all randomness; a whole number of at least 0.

    Raises:
      ValueError: for whatever the user can mend.
    """
    out = pathlib.Path(out)
    check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    if not run.agent.has_plans:
        raise UnusableRun(f"The agent of {folder.path} makes no plans to show.")
    run.check_predicts()
    chosen = choose_episode(run, episode)
    times = choose_decisions(chosen.length, decisions)
    filtered, looked_into = inspect(run, chosen, times, seed)
    content = {
        **_about(run, chosen),
        "seed": seed,
        "video": None if chosen.shown is None else _video(chosen.shown),
        "charts": charts.over_time(chosen, filtered, looked_into),
        "decisions": [
            {
                "of": decision,
                "summary": describe(decision).partition(": ")[2],
                "charts": charts.of_decision(decision),
                "frames": charts.frames(decision),
            }
            for decision in looked_into
        ],
        "numbers": _numbers,
    }
    make_folder(out.parent)
    text = page.render("inspector.html", content)
    write_atomically(out, text)
    for decision in looked_into:
        print(describe(decision))
    print(f"Written: {out} ({out.stat().st_size / 1e6:.1f} MB)")


def describe(decision: Decision) -> str:
    """Says in a line what a plan promises, and what came instead."""
    planned, expected = decision.planned, decision.expected
    text = (
        f"decision {decision.time}: the plan promises "
        f"{planned.reward.sum():.2f} over {len(planned.reward)} decisions; "
        f"the actions taken were expected to bring "
        f"{expected.reward.sum():.2f} over {len(expected.reward)}, and brought "
        f"{decision.happened.reward.sum():.2f}"
    )
    if "value" in decision.hoped:
        text += (
            f"; from here on it expects {decision.hoped['value'][0]:.2f}, and "
            f"{decision.came['value'][0]:.2f} came"
        )
    return text


def _about(run: LoadedRun, episode: HeldOut) -> dict[str, Any]:
    """Says what the decisions are from."""
    parameters = agents.of_run(run.folder.read_config()).Parameters
    return {
        "title": f"Plans of {run.folder.path.resolve().name}, "
        f"{run.folder.path.resolve().parent.name}",
        "checkpoint": pathlib.Path(run.checkpoint).name,
        "step": run.step,
        "episode": episode,
        "source": {
            "random": "collected by the random policy",
            "agent": "collected by the agent of that time",
        }.get(episode.source, "from another place"),
        "score": float(episode.arrays["reward"].sum()),
        "search": [
            (name, run.params[name])
            for name in parameters.model_fields
            if parameters.group_of(name) == "Planner"
        ],
    }


def _numbers(action: np.ndarray) -> str:
    form = ".2f" if action.dtype.kind == "f" else "d"
    action = np.atleast_1d(action)
    shown = ", ".join(format(value, form) for value in action[:_SHOWN])
    return shown + ", …" * (len(action) > _SHOWN)


def _video(images: np.ndarray) -> page.Picture:
    frames = video.limit_length(images, _MAX_FRAMES)
    frames = video.magnify(frames, images.shape[1], _SIZE)
    caption = f"The episode, {len(images)} frames."
    gif = video.encode_gif(frames, _FPS)
    return page.picture(gif, f"Animation: {caption}", caption)
