"""Checks that tell a broken part of a world model from slow learning.

All of them use episodes that the model did not learn from, and need no
simulator unless fresh episodes are asked for:

- Does it see what is there, or paint the mean of all frames?
- Do its predictions without looking beat a picture that does not change, and do
  they depend on the actions?
- Does it know the reward, when it looks and when it does not?
- Do plans bring what the planner expects of them?
"""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import held_out, rollouts, verdicts
from planet_tf2.evaluation.diagnosis_figure import draw
from planet_tf2.evaluation.held_out import EpisodesError, HeldOut
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.model_checks import check_open_loop, check_sight
from planet_tf2.evaluation.output import check_outside, write_json
from planet_tf2.evaluation.predictions import Predictor, choose_windows
from planet_tf2.evaluation.reward_checks import (
    check_filtered_reward,
    check_returns,
)

Figures = dict[str, Any]

# Steps ahead that the table shows.
_STEPS = (1, 2, 5, 10, 20, 30, 45)


def diagnose(
    folder: RunFolder,
    checkpoint: str | None = None,
    episodes_dir: str | os.PathLike[str] | None = None,
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
      KeyboardInterrupt: the user did not want to wait for fresh episodes.
    """
    for name, value in (("context", context), ("horizon", horizon)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}.")
    if out is not None:
        check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    chosen = held_out.load_held_out(
        folder,
        run.action_size,
        episodes,
        episodes_dir,
        run.params["image_size"],
    )
    chosen += _collect(run, fresh, seed, report)
    predictor = Predictor(run, seed)
    filtered = [predictor.filter(episode) for episode in chosen]
    lengths = [episode.length + 1 for episode in chosen]
    horizon = min(horizon, max(lengths) - context)
    if horizon < 1:
        raise EpisodesError(
            f"The longest episode has {max(lengths)} frames, too few for "
            f"context {context}. Lower context, or name other episodes."
        )
    windows = choose_windows(lengths, context + horizon, starts)
    images, blind = check_open_loop(
        predictor, chosen, windows, context, horizon, seed
    )
    figures = {
        "run": str(folder.path),
        "state": run.state,
        "checkpoint": pathlib.Path(run.checkpoint).name,
        "step": run.step,
        "tasks": list(run.params["tasks"]),
        "seed": seed,
        "episodes": {
            source: len(positions)
            for source, positions in held_out.by_source(chosen).items()
        },
        "sequences": len(windows),
        "sight": check_sight(
            predictor, chosen, filtered, run.params["free_nats"]
        ),
        "images": images,
        "rewards": {
            "filtered": check_filtered_reward(chosen, filtered),
            "open_loop": blind,
        },
        "returns": check_returns(predictor, chosen, filtered, decisions),
    }
    judged = verdicts.judge(figures)
    figures["verdicts"] = [verdict._asdict() for verdict in judged]
    report(describe(figures))
    if out is not None:
        picture = pathlib.Path(out).with_suffix(".png")
        write_json(out, figures)
        draw(picture, figures, chosen[-1].arrays["reward"], filtered[-1].reward)
        report(f"Written: {out} and {picture}")
    return figures


def describe(figures: Figures) -> str:
    """Lays the figures out as a table with verdicts below."""
    sources = ", ".join(f"{n} {s}" for s, n in figures["episodes"].items())
    lines = [
        f"{figures['run']} ({figures['checkpoint']}, step {figures['step']}), "
        f"held-out episodes: {sources}; {figures['sequences']} sequences",
        "",
        *_table(figures),
        "",
    ]
    marks = {True: "good", False: "BAD ", None: " .. "}
    for verdict in figures["verdicts"]:
        lines.append(
            f"[{marks[verdict['good']]}] {verdict['check']}: {verdict['text']}"
        )
    return "\n".join([*lines, "", *verdicts.targets(figures)])


def _table(figures: Figures) -> list[str]:
    """Errors by the number of steps ahead, and what belongs to no step."""
    images, rewards = figures["images"], figures["rewards"]
    steps = [s for s in _STEPS if s <= images["horizon"]]
    rows = [("steps ahead without looking", [str(step) for step in steps])]
    for key, label in (
        ("model", "image error of the model, x 1000"),
        ("one_future", "  of one future that it samples"),
        ("no_change", "  of a still picture"),
        ("mean_frame", "  of the mean frame"),
        ("random_actions", "  of the model with random actions"),
    ):
        values = [1000 * images[key][step - 1] for step in steps]
        rows.append((label, [f"{value:.2f}" for value in values]))
    for key, label in (
        ("explained_variance", "reward: explained variance"),
        ("correlation", "  correlation"),
    ):
        values = [rewards["open_loop"][key][step - 1] for step in steps]
        rows.append((label, [_number(value) for value in values]))
    lines = [
        f"{label:36}" + "".join(f"{cell:>8}" for cell in cells)
        for label, cells in rows
    ]
    return [*lines, "", *_others(figures)]


def _others(figures: Figures) -> list[str]:
    sight, returns = figures["sight"], figures["returns"]
    filtered = figures["rewards"]["filtered"]
    lines = [
        f"{'image loss without constants':36}{sight['image_error']:8.2f}"
        f"   half the frames' variance {sight['half_variance']:.2f}",
        f"{'divergence, nats per step':36}{sight['divergence']:8.2f}"
        f"   free nats {sight['free_nats']:g}",
        f"{'reward while looking':36}{_fitted(filtered)}",
    ]
    sources = filtered["by_source"]
    if len(sources) > 1:
        lines += [
            f"{f'  {source}':36}{_fitted(figures)}"
            for source, figures in sources.items()
        ]
    horizon = returns["horizon"]
    for key, label in (
        ("executed", f"return of {horizon} actions taken"),
        ("planned", f"return of {horizon} actions planned"),
    ):
        lines.append(f"{label:36}{_fitted(returns[key])}")
    return lines


def _fitted(figures: Figures) -> str:
    if not figures["count"]:
        return "     no data"
    return (
        f"explained variance {_number(figures['explained_variance'])}, "
        f"correlation {_number(figures['correlation'])}, "
        f"received {figures['mean']:.2f} ± {figures['stddev']:.2f}, "
        f"predicted {figures['mean'] + figures['bias']:.2f}"
    )


def _collect(
    run: LoadedRun, amount: int, seed: int, report: Callable[[str], None]
) -> Sequence[HeldOut]:
    """Plays episodes with the agent that is to be checked."""
    result = []
    if not amount:
        return result
    for task in run.params["tasks"]:
        report(f"Collecting {amount} episodes of {task}")
        played = rollouts.play(run, task, amount, seed, record=True)
        for episode in played:
            report(f"  return {episode.score:.1f}")
            name = f"fresh {episode.number + 1}"
            result.append(
                held_out.make_held_out(
                    name,
                    held_out.FRESH,
                    task,
                    episode.arrays,
                    run.action_size,
                    run.params["image_size"],
                )
            )
    return result


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
