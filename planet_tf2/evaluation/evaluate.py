"""How well trained agents do: noise-free episodes, summed up."""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from planet_tf2.configs import resolve, tasks
from planet_tf2.configs.anchors import get_anchors
from planet_tf2.control.in_graph_batch_env import RolloutStopped
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation import aggregate, rollouts, runs
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import (
    check_outside,
    file_name,
    write_json,
)
from planet_tf2.tools import video
from planet_tf2.tools.signals import StopSignals

Result = dict[str, Any]

_VIDEO_FPS = 20
_MAX_FRAMES = 250


def evaluate(
    folders: Sequence[RunFolder],
    episodes: int = 20,
    seed: int = 0,
    task: str | None = None,
    agents: int = 1,
    checkpoint: str | None = None,
    out: str | os.PathLike[str] | None = None,
    make_video: bool = False,
    report: Callable[[str], None] = print,
) -> Result:
    """Evaluates runs with noise-free episodes and writes the result as JSON.

    Writes nothing into the folders of the runs. Called again with the same
    arguments it gets the same numbers, as long as the checkpoints are the same.

    Args:
      folders: the runs, see `runs.find_runs`.
      episodes: episodes for each run and task.
      seed: determines all randomness; a whole number of at least 0.
      task: task to play; by default those that each run was trained on.
      agents: episodes that are played at the same time.
      checkpoint: which one to load; by default the newest of each run.
      out: file for the result, by default `evaluation-<task>-<step>.json` in
        the current folder.
      make_video: whether to write the first episode of each run and task as a
        GIF, beside the result.
      report: shows a message.

    Returns:
      What is in the file: `runs`, an entry for each run and task, and `groups`,
      an entry for all runs of the same task with the same parameters.

    Raises:
      ValueError: for whatever the user can mend.
      KeyboardInterrupt: the user did not want to wait.
    """
    if out is not None:
        check_outside(out, folders)
    results = []
    with StopSignals() as signals:
        for folder in folders:
            run = load_run(folder, checkpoint)
            for name in [task] if task else run.params["tasks"]:
                rollouts.check_task(run, name)
                report(_announce(run, name, episodes))
                try:
                    result = evaluate_run(
                        run,
                        name,
                        episodes,
                        seed,
                        agents,
                        make_video,
                        lambda: signals.requested,
                        report,
                    )
                except RolloutStopped:
                    raise KeyboardInterrupt from None
                report(describe(result))
                results.append(result)
    groups = _group(results, seed)
    for group in groups:
        if group["runs"] > 1:
            report(describe_group(group))
    path = pathlib.Path(out or default_name(results))
    check_outside(path, folders)
    videos = {}
    for result in results:
        frames = result.pop("frames")
        if frames is not None:
            result["video"] = str(_video_path(path, result))
            videos[result["video"]] = frames
    summary = {
        "episodes": episodes,
        "seed": seed,
        "agents": min(agents, episodes),
        "runs": [_without_params(result) for result in results],
        "groups": groups,
    }
    write_json(path, summary)
    for target, frames in videos.items():
        _write_video(target, frames)
    report(f"Written: {', '.join([str(path), *videos])}")
    return summary


def evaluate_run(
    run: LoadedRun,
    task: str,
    episodes: int,
    seed: int,
    agents: int,
    keep_frames: bool,
    should_stop: Callable[[], bool],
    report: Callable[[str], None],
) -> Result:
    """Plays the episodes of one run in one task.

    Args:
      run: the loaded run.
      task: task to play.
      episodes: how many.
      seed: determines all randomness.
      agents: episodes that are played at the same time.
      keep_frames: whether to return the images of the first episode.
      should_stop: asked before each step; if it returns true,
        `RolloutStopped` is raised.
      report: told of each episode.

    Returns:
      The entry of the run in the result of `evaluate`; besides, its `params`
      and the `frames` uint8 `[T+1, H, W, 3]` or None.
    """
    returns, lengths, frames = [], [], None
    played = rollouts.play(
        run, task, episodes, seed, agents, keep_frames, should_stop
    )
    for episode in played:
        returns.append(episode.score)
        lengths.append(episode.length)
        if keep_frames and frames is None:
            frames = episode.arrays["image"]
        report(
            f"  episode {episode.number + 1}/{episodes}: {episode.score:.1f}"
        )
    repeat = run.params["action_repeat"] or tasks.get_task(task).action_repeat
    anchors, notes = get_anchors(task, repeat)
    summary = aggregate.summarise(returns)
    return {
        "run": str(run.folder.path),
        "experiment": runs.experiment_label(run.folder),
        "state": run.state,
        "checkpoint": pathlib.Path(run.checkpoint).name,
        "step": run.step,
        "task": task,
        "trained_on": list(run.params["tasks"]),
        **summary,
        "returns": returns,
        "lengths": lengths,
        "action_repeat": repeat,
        "random": anchors and anchors.random,
        "published": anchors and anchors.published,
        "normalised": anchors and anchors.normalised(summary["mean"]),
        "notes": notes,
        "params": run.params,
        "frames": frames,
    }


def describe(result: Result) -> str:
    """Says in a few lines how a run did."""
    text = f"{result['task']}: {result['mean']:.1f}"
    if result["stddev"] is not None:
        low, high = result["confidence_interval"]
        text += (
            f" ± {result['stddev']:.1f} (mean and standard deviation of "
            f"{result['episodes']} episodes; 95% confidence interval of the "
            f"mean {low:.1f} to {high:.1f})"
        )
    lines = [text]
    if result["random"] is not None:
        line = f"  random policy {result['random']:g}"
        if result["published"] is not None:
            line += f", published {result['published']:g}"
            line += f": {100 * result['normalised']:.0f}% of the way"
        lines.append(line)
    lines += [f"  {note}" for note in result["notes"]]
    return "\n".join(lines)


def describe_group(group: Result) -> str:
    """Says in a line how several runs of one kind did."""
    low, high = group["confidence_interval"]
    return (
        f"{group['task']}, {group['runs']} runs of {group['experiment']}: "
        f"interquartile mean {group['interquartile_mean']:.1f} (95% bootstrap "
        f"interval {low:.1f} to {high:.1f}), mean {group['mean']:.1f} ± "
        f"{group['stddev']:.1f}"
    )


def default_name(results: Sequence[Result]) -> str:
    """Names the file after the task and step, as far as they are common."""
    parts = ["evaluation"]
    for key in ("task", "step"):
        values = {str(result[key]) for result in results}
        parts += values if len(values) == 1 else ()
    return file_name(parts) + ".json"


def _announce(run: LoadedRun, task: str, episodes: int) -> str:
    state = "" if run.state == runs.FINISHED else f", {run.state}"
    name = pathlib.Path(run.checkpoint).name
    return (
        f"{run.folder.path} ({name}, step {run.step}{state}): {episodes} "
        f"episodes of {task}"
    )


def _group(results: Sequence[Result], seed: int) -> list[Result]:
    """Sums up runs that differ in nothing but their seed."""
    kinds: list[list[Result]] = []
    for result in results:
        for kind in kinds:
            if kind[0]["task"] == result["task"] and not resolve.differences(
                kind[0]["params"], result["params"]
            ):
                kind.append(result)
                break
        else:
            kinds.append([result])
    return [
        {
            "task": kind[0]["task"],
            "experiment": ", ".join(
                dict.fromkeys(result["experiment"] for result in kind)
            ),
            **aggregate.summarise_runs([r["mean"] for r in kind], seed),
            "means": [result["mean"] for result in kind],
            "steps": [result["step"] for result in kind],
        }
        for kind in kinds
    ]


def _without_params(result: Result) -> Result:
    return {name: value for name, value in result.items() if name != "params"}


def _video_path(path: pathlib.Path, result: Result) -> pathlib.Path:
    task = file_name([result["task"]])
    words = [] if task in path.stem else [task]
    name = file_name([path.stem, *words, pathlib.Path(result["run"]).name])
    return path.with_name(f"{name}.gif")


def _write_video(target: str, frames: Any) -> None:
    make_folder(pathlib.Path(target).parent)
    frames = video.limit_length(frames, _MAX_FRAMES)
    video.write_gif(target, video.enlarge(frames, 3), _VIDEO_FPS)
