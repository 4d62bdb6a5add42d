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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from planet_tf2 import agents
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import held_out, judgements, rollouts
from planet_tf2.evaluation.diagnosis_figure import draw
from planet_tf2.evaluation.held_out import EpisodesError, HeldOut
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.model_checks import check_open_loop, check_sight
from planet_tf2.evaluation.output import check_outside, write_json
from planet_tf2.evaluation.predictions import (
    Filtered,
    Predictor,
    choose_windows,
)
from planet_tf2.evaluation.reward_checks import (
    check_filtered_reward,
    check_returns,
)

Figures = dict[str, Any]

# Steps ahead that the table shows.
_STEPS = (1, 2, 5, 10, 20, 30, 45)


class _Sizes(NamedTuple):
    """How much is looked at, see `diagnose`."""

    context: int
    horizon: int
    starts: int
    decisions: int


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
      KeyboardInterrupt: the user did not want to wait for fresh episodes.
    """
    if out is not None:
        check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    run.check_predicts()
    shown = held_out.load_held_out(run, episodes, episodes_dir)
    shown += _collect(run, fresh, seed, report)
    sizes = _Sizes(context, horizon, starts, decisions)
    figures, filtered = _check(run, shown, sizes, seed)
    report(describe(figures))
    if out is not None:
        picture = pathlib.Path(out).with_suffix(".png")
        write_json(out, figures)
        draw(picture, figures, shown[-1].arrays["reward"], filtered[-1].reward)
        report(f"Written: {out} and {picture}")
    return figures


def describe(figures: Figures) -> str:
    """Lays the figures out as a table with verdicts below."""
    sources = ", ".join(f"{n} {s}" for s, n in figures["episodes"].items())
    marks = {True: "good", False: "BAD ", None: " .. "}
    return "\n".join(
        [
            f"{figures['run']} ({figures['checkpoint']}, step "
            f"{figures['step']}), held-out episodes: {sources}; "
            f"{figures['sequences']} sequences",
            "",
            *_steps_ahead(figures["images"], figures["rewards"]["open_loop"]),
            "",
            *_sums(figures),
            "",
            *(
                f"[{marks[one['good']]}] {one['check']}: {one['text']}"
                for one in figures["verdicts"]
            ),
            "",
            *judgements.targets(figures),
        ]
    )


def _check(
    run: LoadedRun,
    shown: Sequence[HeldOut],
    sizes: _Sizes,
    seed: int,
) -> tuple[Figures, list[Filtered]]:
    """Returns all figures, and what the model makes of each episode."""
    context, horizon, starts, decisions = sizes
    for name, value in (("context", context), ("horizon", horizon)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}.")
    lengths = [episode.length + 1 for episode in shown]
    horizon = min(horizon, max(lengths) - context)
    if horizon < 1:
        raise EpisodesError(
            f"The longest episode has {max(lengths)} frames, too few for "
            f"context {context}. Lower context, or name other episodes."
        )
    predictor = Predictor(run, seed)
    filtered = [predictor.filter(episode) for episode in shown]
    windows = choose_windows(lengths, context + horizon, starts)
    images, blind = check_open_loop(
        predictor, shown, windows, context, horizon, seed
    )
    losses = agents.of_run(run.folder.read_config()).LOSSES.values()
    floor = max((info.floor(run.params) for info in losses), default=0.0)
    sources = held_out.by_source(shown)
    figures = {
        "run": str(run.folder.path),
        "state": run.state,
        "checkpoint": pathlib.Path(run.checkpoint).name,
        "step": run.step,
        "tasks": list(run.params["tasks"]),
        "seed": seed,
        "episodes": {name: len(found) for name, found in sources.items()},
        "sequences": len(windows),
        "sight": check_sight(predictor, shown, filtered, floor),
        "images": images,
        "rewards": {
            "filtered": check_filtered_reward(shown, filtered),
            "open_loop": blind,
        },
        "returns": check_returns(predictor, shown, filtered, decisions),
    }
    figures["verdicts"] = [
        {"check": one.title, "good": one.is_good, "text": one.text}
        for one in judgements.judge(figures)
    ]
    return figures, filtered


def _steps_ahead(images: Figures | None, rewards: Figures) -> Iterator[str]:
    """Yields the lines of the table of predictions without looking."""
    last = len(rewards["correlation"])
    steps = [step for step in _STEPS if step <= last]

    def line(label: str, cells: Sequence[Any]) -> str:
        return f"{label:36}" + "".join(f"{cell:>8}" for cell in cells)

    yield line("steps ahead without looking", steps)
    for key, label in (
        ("model", "image error of the model, x 1000"),
        ("one_future", "  of one future that it samples"),
        ("no_change", "  of a still picture"),
        ("mean_frame", "  of the mean frame"),
        ("random_actions", "  of the model with random actions"),
    ):
        if images:
            errors = [1000 * images[key][step - 1] for step in steps]
            yield line(label, [f"{error:.2f}" for error in errors])
    for key, label in (
        ("explained_variance", "reward: explained variance"),
        ("correlation", "  correlation"),
    ):
        yield line(label, [_number(rewards[key][step - 1]) for step in steps])


def _sums(figures: Figures) -> Iterator[str]:
    """Yields the lines of figures that are sums over time steps."""
    sight, returns = figures["sight"], figures["returns"]
    filtered = figures["rewards"]["filtered"]
    if sight["image_error"] is not None:
        yield (
            f"{'image loss without constants':36}{sight['image_error']:8.2f}"
            f"   half the frames' variance {sight['half_variance']:.2f}"
        )
    yield (
        f"{'divergence, nats per step':36}{sight['divergence']:8.2f}"
        f"   free nats {sight['floor']:g}"
    )
    yield f"{'reward while looking':36}{_fitted(filtered)}"
    if len(filtered["by_source"]) > 1:
        for source, fitted in filtered["by_source"].items():
            yield f"{f'  {source}':36}{_fitted(fitted)}"
    if returns:
        for key, what in (("executed", "taken"), ("planned", "planned")):
            label = f"return of {returns['horizon']} actions {what}"
            yield f"{label:36}{_fitted(returns[key])}"


def _fitted(figures: Figures) -> str:
    if not figures["count"]:
        return "     no data"
    return (
        f"explained variance {_number(figures['explained_variance'])}, "
        f"correlation {_number(figures['correlation'])}, "
        f"received {figures['mean']:.2f} ± {figures['stddev']:.2f}, "
        f"predicted {figures['mean'] + figures['bias']:.2f}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


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
        for number, episode in enumerate(played, 1):
            report(f"  return {episode.score:.1f}")
            name = f"fresh {number}"
            result.append(
                held_out.make_held_out(
                    run, name, held_out.FRESH, task, episode.arrays
                )
            )
    return result
