"""Makes a folder that proves a run: how to repeat it, and how well it does."""

import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    make_folder,
)
from planet_tf2.evaluation import held_out, repeating, results_page, runs
from planet_tf2.evaluation.diagnose import diagnose
from planet_tf2.evaluation.evaluate import evaluate_run
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import file_name, write_json
from planet_tf2.evaluation.plot import plot
from planet_tf2.evaluation.video_prediction import lay_out, predict
from planet_tf2.tools import video
from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.files import write_atomically

Result = dict[str, Any]

MAX_BYTES = 1_000_000  # Of an animation: pages show many of them.
_FPS = 20
_PREDICTION_FPS = 10


def publish(
    folder: RunFolder,
    results: str | os.PathLike[str] = "results",
    page: str | os.PathLike[str] | None = None,
    name: str | None = None,
    hardware: str | None = None,
    note: str = "",
    episodes: int = 20,
    seed: int = 0,
    agents: int = 1,
    allow_unfinished: bool = False,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> pathlib.Path:
    """Evaluates a finished run and collects what proves it.

    The folder has `README.md` with the command that repeats the run,
    `config.yaml`, `metrics.csv`, `curve.png` and `.csv`, `policy.gif`,
    `prediction.gif`, `evaluation.json`, `diagnosis.json` and `.png`, and
    `result.json` with the sum of it all. It appears when everything is done.

    Args:
      folder: the run. Nothing is written there.
      results: folder that the new folder goes into.
      page: Markdown page to bring up to date, see `results_page`.
      name: name of the new folder; by default task, preset and seed.
      hardware: what it was trained on, in words; by default what the run's
        config.yaml says.
      note: what else there is to say about it.
      episodes: noise-free episodes of the final agent.
      seed: determines all randomness of the evaluation.
      agents: episodes that are played at the same time.
      allow_unfinished: whether to take runs that are not done.
      overwrite: whether to replace a folder of the same name.
      report: shows a message.

    Returns:
      The new folder.

    Raises:
      ValueError: for whatever the user can mend.
      KeyboardInterrupt: the user did not want to wait.
    """
    state = runs.run_state(folder)
    if state != runs.FINISHED and not allow_unfinished:
        raise RunFolderError(
            f"The run {folder.path} is unfinished. Train it to its end first, "
            "or take it as it is with --allow_unfinished."
        )
    config = folder.read_config()
    params = runs.read_params(folder)
    hardware = hardware or config.get("machine")
    if not hardware:
        raise RunFolderError(
            f"{folder.config} does not tell what the run was trained on. Say "
            "it with --hardware."
        )
    name = name or default_name(config, params["tasks"])
    if page is not None:
        results_page.read_page(page)  # Fails before the work is done.
    target = _new_folder(results, name, folder, overwrite)
    run = load_run(folder)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
        place = pathlib.Path(scratch) / name
        place.mkdir()
        result = {
            "name": name,
            "tasks": _evaluate(run, place, episodes, seed, agents, report),
            "evaluation": repeating.evaluation_command(
                f"logs/{name}", episodes, seed, min(agents, episodes)
            ),
            "model": _check_model(run, place, name, seed),
            **_origin(folder, config, name, hardware, note),
            "step": run.step,
            "state": state,
        }
        _write_pictures(run, place, seed)
        _write_tables(folder, place, result)
        if target.exists():
            shutil.rmtree(target)
        os.replace(place, target)
    report(f"Published: {target}")
    if page is not None:
        count = results_page.update_page(page, results)
        report(f"Written: {page} with {count} runs")
    return target


def default_name(config: Result, tasks: Sequence[str]) -> str:
    """Names a result after its tasks, preset and seed."""
    return file_name([*tasks, config.get("preset"), config.get("seed")])


def _new_folder(
    results: str | os.PathLike[str],
    name: str,
    folder: RunFolder,
    overwrite: bool,
) -> pathlib.Path:
    if not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(
            f"name is {name!r}, but must be of letters, digits, '-', '_', '.'."
        )
    target = pathlib.Path(results) / name
    if target.resolve().is_relative_to(folder.path.resolve()):
        raise RunFolderError(
            f"{target} is in the folder of the run {folder.path}. Publish it "
            "somewhere else with --results."
        )
    if target.exists() and not overwrite:
        raise RunFolderError(
            f"{target} is there already. Choose another --name, or replace it "
            "with --overwrite."
        )
    make_folder(target.parent)
    return target


def _evaluate(
    run: LoadedRun,
    place: pathlib.Path,
    episodes: int,
    seed: int,
    agents: int,
    report: Callable[[str], None],
) -> list[Result]:
    """Evaluates the final agent; returns what the page needs of it."""
    entries, chosen = [], []
    for task in run.params["tasks"]:
        entry, _, frames = evaluate_run(
            run, task, episodes, seed, agents, keep_frames=True
        )
        policy = "policy.gif"
        if len(run.params["tasks"]) > 1:
            policy = f"policy-{len(entries) + 1}.gif"
        write_atomically(place / policy, policy_gif(frames))
        # Folders of this machine mean nothing to others.
        del entry["run"], entry["experiment"]
        entries.append(entry)
        keys = ("task", "mean", "stddev", "episodes", "random", "published")
        chosen.append(
            {
                **{key: entry[key] for key in keys},
                "confidence_interval": entry["confidence_interval"],
                "policy": policy,
                "shown_return": entry["returns"][0],
            }
        )
    write_json(
        place / "evaluation.json",
        {"seed": seed, "agents": min(agents, episodes), "tasks": entries},
    )
    return chosen


def _check_model(
    run: LoadedRun, place: pathlib.Path, name: str, seed: int
) -> Result:
    figures = diagnose(
        run.folder,
        run.checkpoint,
        seed=seed,
        out=place / "diagnosis.json",
        report=lambda text: None,
    )
    write_json(place / "diagnosis.json", {**figures, "run": name})
    images, filtered = figures["images"], figures["rewards"]["filtered"]
    return {
        "context": images["context"],
        "horizon": images["horizon"],
        "image_ratio": images["ratio_to_no_change"],
        "one_future_image_ratio": images["one_future_ratio_to_no_change"],
        "image_ratio_to_mean_frame": images["ratio_to_mean_frame"],
        "reward_explained_variance": filtered["explained_variance"],
    }


def _origin(
    folder: RunFolder,
    config: Result,
    name: str,
    hardware: str,
    note: str,
) -> Result:
    """Says where a run is from, and what it learned from."""
    return {
        "preset": config.get("preset"),
        "seed": config.get("seed"),
        "command": repeating.training_command(folder, f"logs/{name}"),
        "hardware": hardware,
        "versions": config.get("versions"),
        "note": note,
        **repeating.training_totals(folder),
    }


def _write_pictures(run: LoadedRun, place: pathlib.Path, seed: int) -> None:
    plot([run.folder], place / "curve.png", labels=[place.name])
    (place / "curve-mean.csv").unlink()  # Of one run it says nothing new.
    episodes = held_out.load_held_out(
        run.folder, run.action_size, image_size=run.params["image_size"]
    )
    gifs = (
        video.encode_gif(
            lay_out(predict(run, episodes, count, seed=seed), scale),
            _PREDICTION_FPS,
        )
        for count, scale in ((4, 2), (3, 2), (2, 2), (3, 1), (2, 1), (1, 1))
    )
    write_atomically(place / "prediction.gif", _small_enough(gifs))


def _write_tables(
    folder: RunFolder, place: pathlib.Path, result: Result
) -> None:
    config = {**folder.read_config(), "params": runs.read_params(folder)}
    RunFolder(place).write_config(config)
    write_atomically(place / "metrics.csv", repeating.metrics_table(folder))
    write_json(place / "result.json", to_plain(result))
    write_atomically(place / "README.md", readme(result))


def policy_gif(frames: np.ndarray) -> bytes:
    """Encodes an episode as a GIF that is small enough for a page.

    Args:
      frames: uint8 `[T, H, W, 3]`.
    """

    def encode(scale: int, max_frames: int) -> bytes:
        stride = -(-len(frames) // max_frames)
        chosen = video.limit_length(frames, max_frames)
        return video.encode_gif(
            video.enlarge(chosen, scale), max(_FPS / stride, 2)
        )

    sizes = ((3, 250), (3, 125), (2, 250), (2, 125), (2, 60), (1, 60), (1, 30))
    return _small_enough(encode(*size) for size in sizes)


def _small_enough(candidates: Any) -> bytes:
    """Returns the first that is small enough, or the last."""
    for content in candidates:
        if len(content) <= MAX_BYTES:
            break
    return content


def readme(result: Result) -> str:
    """Describes a published run to whoever opens its folder."""
    scores = "\n".join(
        f"- {entry['task']}: {results_page.describe_score(entry)}"
        for entry in result["tasks"]
    )
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    hours = result["hours"]
    time = "" if hours is None else f" in {hours:.1f} hours"
    images: Sequence[str] = [
        "![Learning curve](curve.png)",
        *(f"![{e['task']}]({e['policy']})" for e in result["tasks"]),
        "![Truth, open-loop prediction, error](prediction.gif)",
        "![Checks of the world model](diagnosis.png)",
    ]
    return "\n\n".join(
        [
            f"# {result['name']}",
            *([result["note"]] if result["note"] else []),
            f"Noise-free returns of the final agent:\n\n{scores}",
            f"```sh\n{results_page.commands(result)}\n```",
            f"{result['train_episodes']:,} training episodes "
            f"({result['simulator_steps']:,} simulator steps), "
            f"{result['updates']:,} updates{time} on {result['hardware']}. "
            f"Seed {result['seed']}; {versions}.",
            *images,
            "",
        ]
    )
