"""How well trained agents do: noise-free episodes, summed up."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.agents import name_of_run
from planet_tf2.configs import tasks
from planet_tf2.configs.anchors import get_anchors
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import aggregate, rollouts, runs
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import (
    check_outside,
    file_name,
    write_json,
)
from planet_tf2.tools import video
from planet_tf2.tools.attr_dict import to_plain

Result = dict[str, Any]

_VIDEO_FPS = 20
_MAX_FRAMES = 250


def evaluate(
    folders: Sequence[RunFolder],
    episodes: int = 20,
    seed: int = 0,
    *,
    task: str | None = None,
    agents: int = 1,
    checkpoint: str | None = None,
    out: str | os.PathLike[str] | None = None,
    make_video: bool = False,
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

    Returns:
      What is in the file: `runs`, an entry for each run and task, and `groups`,
      an entry for all runs of the same task with the same parameters.

    Raises:
      ValueError: for whatever the user can mend.
      KeyboardInterrupt: the user did not want to wait.
    """
    # Without a name it goes into the current folder.
    check_outside(out or "evaluation.json", folders)
    names = runs.label_experiments(folders)
    entries, frames, kinds = [], [], {}
    for folder in folders:
        run = load_run(folder, checkpoint)
        params = json.dumps(to_plain(run.params), sort_keys=True)
        for name in [task] if task else run.params["tasks"]:
            entry, images = evaluate_run(
                run, name, episodes, seed, agents, make_video
            )
            entry["experiment"] = names[entry["run"]]
            entries.append(entry)
            frames.append(images)
            kinds.setdefault((name, params), []).append(entry)
    summary = {
        "episodes": episodes,
        "seed": seed,
        "agents": min(agents, episodes),
        "runs": entries,
        "groups": [_sum_up(kind, seed) for kind in kinds.values()],
    }
    _write(pathlib.Path(out or default_name(entries)), summary, frames)
    return summary


def evaluate_run(
    run: LoadedRun,
    task: str,
    episodes: int,
    seed: int = 0,
    agents: int = 1,
    keep_frames: bool = False,
) -> tuple[Result, np.ndarray | None]:
    """Plays the episodes of one run in one task, and says how they went.

    Returns:
      The entry of the run in the result of `evaluate`, and the images of the
      first episode, uint8 `[T+1, H, W, 3]`; None if they were not asked for by
      `keep_frames`, or there are none.

    Raises:
      ValueError: the agent cannot act in the task.
    """
    checkpoint = pathlib.Path(run.checkpoint).name
    state = "" if run.state == runs.FINISHED else f", {run.state}"
    print(f"{run.folder.path} ({checkpoint}, step {run.step}{state}):", end=" ")
    print(f"{episodes} episodes of {task}")
    played, frames = [], None
    keep_frames = keep_frames and rollouts.can_be_drawn(run, task)
    for episode in rollouts.play(
        run, task, episodes, seed, agents, keep_frames, keep_frames
    ):
        if keep_frames and not played:
            frames = episode.arrays.get("image")
        played.append((episode.score, episode.length))
        print(f"  episode {len(played)}/{episodes}: {episode.score:.1f}")
    returns, lengths = map(list, zip(*played, strict=True))
    repeat = run.params["action_repeat"] or tasks.get_task(task).action_repeat
    agent = name_of_run(run.folder.read_config())
    anchors, notes = get_anchors(task, repeat, agent)
    summary = aggregate.summarise(returns)
    entry = {
        "run": str(run.folder.path),
        "state": run.state,
        "checkpoint": checkpoint,
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
    }
    print(describe(entry))
    return entry, frames


def describe(entry: Result) -> str:
    """Says in a few lines how a run did."""
    text = f"{entry['task']}: {entry['mean']:.1f}"
    if entry["stddev"] is not None:
        text += (
            f" ± {entry['stddev']:.1f} (mean and standard deviation of "
            f"{entry['episodes']} episodes"
        )
        if entry["episodes"] > 2:  # Of two it can be wider than all returns.
            low, high = entry["confidence_interval"]
            text += (
                f"; 95% confidence interval of the mean {low:.1f} to {high:.1f}"
            )
        text += ")"
    lines = [text]
    if entry["random"] is not None:
        line = f"  random actions, 30 episodes {entry['random']:g}"
        if entry["published"] is not None:
            line += f", published {entry['published']:g}"
            line += f": {100 * entry['normalised']:.0f}% of the way"
        lines.append(line)
    lines += [f"  {note}" for note in entry["notes"]]
    return "\n".join(lines)


def default_name(entries: Sequence[Result]) -> str:
    """Names the file after the task and step, as far as they are common."""
    parts = ["evaluation"]
    for key in ("task", "step"):
        values = {str(entry[key]) for entry in entries}
        parts += values if len(values) == 1 else ()
    return file_name(parts) + ".json"


def _write(
    path: pathlib.Path,
    summary: Result,
    frames: Sequence[np.ndarray | None],
) -> None:
    """Writes the summary, and a video of each run that has frames."""
    written = [str(path)]
    for entry, images in zip(summary["runs"], frames, strict=True):
        if images is not None:
            target = _video_path(path, entry)
            images = video.limit_length(images, _MAX_FRAMES)
            video.write_gif(target, video.enlarge(images, 3), _VIDEO_FPS)
            entry["video"] = str(target)
            written.append(str(target))
    write_json(path, summary)
    print(f"Written: {', '.join(written)}")


def _sum_up(entries: Sequence[Result], seed: int) -> Result:
    """Sums up runs that differ in nothing but their seed."""
    means = [entry["mean"] for entry in entries]
    names = dict.fromkeys(entry["experiment"] for entry in entries)
    group = {
        "task": entries[0]["task"],
        "experiment": ", ".join(names),
        **aggregate.summarise_runs(means, seed),
        "means": means,
        "steps": [entry["step"] for entry in entries],
    }
    if len(entries) > 1:
        low, high = group["confidence_interval"]
        print(
            f"{group['task']}, {group['runs']} runs of {group['experiment']}: "
            f"interquartile mean {group['interquartile_mean']:.1f} (95% "
            f"bootstrap interval {low:.1f} to {high:.1f}), mean "
            f"{group['mean']:.1f} ± {group['stddev']:.1f}"
        )
    return group


def _video_path(path: pathlib.Path, entry: Result) -> pathlib.Path:
    task = file_name([entry["task"]])
    words = [] if task in path.stem else [task]
    name = file_name([path.stem, *words, pathlib.Path(entry["run"]).name])
    return path.with_name(f"{name}.gif")
