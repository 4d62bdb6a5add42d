"""Checks that tell a broken part of a world model from slow learning.

All of them use episodes that the model did not learn from, and need no
simulator unless fresh episodes are asked for:

- Does it see what is there, or paint the mean of all frames?
- Do its predictions without looking beat a picture that does not change, and do
  they depend on the actions?
- Does it know the reward, when it looks and when it does not?
- Do plans bring what the planner expects of them?

Of agents that see no images, or do not plan, those parts are left out.
"""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from planet_tf2 import agents
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import (
    held_out,
    judgements,
    model_checks,
    rollouts,
    vector_checks,
)
from planet_tf2.evaluation.diagnosis_figure import draw
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import check_outside, write_json
from planet_tf2.evaluation.predictions import (
    Filtered,
    Predictor,
    choose_windows,
)
from planet_tf2.evaluation.results_page import render

Figures = dict[str, Any]

_STEPS = (1, 2, 5, 10, 20, 30, 45)  # Steps ahead that the table shows.
# What the JSON file says of findings that are undecided, or not bad.
_IS_GOOD = {judgements.GOOD: True, judgements.NOTE: None}


def diagnose(
    folder: RunFolder,
    checkpoint: str | None = None,
    episodes_dir: str | os.PathLike[str] | None = None,
    *,
    episodes: int = 20,
    context: int = 5,
    horizon: int = 45,
    starts: int = 3,
    decisions: int = 20,
    fresh: int = 0,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    report: Callable[[str], None] = print,
) -> Figures:
    """Checks the world model of a run. Writes nothing into its folder.

    Args:
      folder: the run, see `runs.find_run`.
      checkpoint: which one to load; by default the newest.
      episodes_dir: folder of episodes to use; by default the run's test
        episodes, which the random policy and former agents collected.
      episodes: how many of them, spread evenly, the latest among them.
      context: frames that the model sees before it predicts.
      horizon: frames that it predicts, at most: as many as episodes allow.
      starts: sequences of each episode.
      decisions: plans in each of the latest episodes.
      fresh: episodes to collect first with the agent of the checkpoint.
      seed: determines all randomness; a whole number of at least 0.
      out: JSON file to write; a PNG of the same name goes beside it.
      report: shows a message.

    Returns:
      All figures, as they are in the file.

    Raises:
      ValueError: for whatever the user can mend.
    """
    if out is not None:
        check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    run.check_predicts()
    shown = held_out.load_held_out(run, episodes, episodes_dir)
    shown += _collect(run, fresh, seed, report) if fresh else []
    steps = context, held_out.limit_horizon(shown, context, horizon)
    figures, filtered = _check(run, shown, steps, starts, decisions, seed)
    report(describe(figures))
    if out is not None:
        picture = pathlib.Path(out).with_suffix(".png")
        write_json(out, figures)
        draw(picture, figures, shown[-1].arrays["reward"], filtered[-1].reward)
        report(f"Written: {out} and {picture}")
    return figures


def describe(figures: Figures) -> str:
    """Lays the figures out as a table with verdicts below."""
    last = len(figures["rewards"]["open_loop"]["correlation"])
    return render(
        "diagnosis.txt",
        {
            "vectors": None,
            "ends": None,
            **figures,
            "steps": [step for step in _STEPS if step <= last],
            "image_target": judgements.IMAGE_TARGET,
            "reward_target": judgements.REWARD_TARGET,
        },
    ).rstrip()


def _check(
    run: LoadedRun,
    shown: Sequence[HeldOut],
    steps: tuple[int, int],
    starts: int,
    decisions: int,
    seed: int,
) -> tuple[Figures, list[Filtered]]:
    """Returns all figures, and what the model makes of each episode.

    Of sequences the model sees and predicts so many `steps`.
    """
    predictor = Predictor(run, seed)
    filtered = [predictor.filter(episode) for episode in shown]
    lengths = [episode.length + 1 for episode in shown]
    windows = choose_windows(lengths, sum(steps), starts)
    images, blind = model_checks.check_open_loop(
        predictor, shown, windows, *steps, seed
    )
    losses = agents.of_run(run.folder.read_config()).LOSSES.values()
    floor = max((info.floor(run.params) for info in losses), default=0.0)
    sources = held_out.by_source(shown).items()
    figures = {
        "run": str(run.folder.path),
        "state": run.state,
        "checkpoint": pathlib.Path(run.checkpoint).name,
        "step": run.step,
        "tasks": list(run.params["tasks"]),
        "seed": seed,
        "episodes": {source: len(found) for source, found in sources},
        "sequences": len(windows),
        "sight": model_checks.check_sight(predictor, shown, filtered, floor),
        "images": images,
        "rewards": {
            "filtered": model_checks.check_filtered_reward(shown, filtered),
            "open_loop": blind,
        },
        "returns": model_checks.check_returns(
            predictor, shown, filtered, decisions
        ),
    }
    others = vector_checks.check_others(
        predictor, shown, filtered, windows, *steps
    )
    figures |= {name: part for name, part in others.items() if part}
    figures["verdicts"] = [
        {"check": title, "good": _IS_GOOD.get(level, False), "text": text}
        for title, level, text in judgements.judge(figures)
    ]
    return figures, filtered


def _collect(
    run: LoadedRun, amount: int, seed: int, report: Callable[[str], None]
) -> list[HeldOut]:
    """Plays episodes with the agent that is to be checked."""
    result = []
    needed = (*held_out.step_types(run.agent), "reward")
    for task in run.params["tasks"]:
        report(f"Collecting {amount} episodes of {task}")
        played = rollouts.play(run, task, amount, seed, record=True)
        for number, episode in enumerate(played, 1):
            report(f"  return {episode.score:.1f}")
            arrays = {name: episode.arrays[name] for name in needed}
            name = f"fresh {number}"
            found = HeldOut(name, held_out.FRESH, task, arrays, run.images)
            result.append(found)
    return result
