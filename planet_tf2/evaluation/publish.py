"""Makes a folder that proves a run: how to repeat it, and how well it does."""

import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterable
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
from planet_tf2.evaluation.figures import write_figure
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import file_name, write_json
from planet_tf2.evaluation.plot import collect_curves, curve_table, draw
from planet_tf2.evaluation.video_prediction import (
    lay_out,
    predict,
)
from planet_tf2.tools import video
from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.journal import Journal

Result = dict[str, Any]

MAX_BYTES = 1_000_000  # Of an animation: pages show many of them.
_FPS = 20
_PREDICTION_FPS = 10


def publish(
    folder: RunFolder,
    results: str | os.PathLike[str] = "results",
    page: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    hardware: str | None = None,
    note: str = "",
    episodes: int = 20,
    seed: int = 0,
    agents: int = 1,
    allow_unfinished: bool = False,
    overwrite: bool = False,
) -> pathlib.Path:
    """Evaluates a finished run and collects what proves it.

    The folder has `README.md` with the command that repeats the run,
    `config.yaml`, `metrics.csv`, `curve.png` and `.csv`, `policy.gif`,
    `prediction.gif`, `evaluation.json`, `diagnosis.json` and `.png`, and
    `result.json` with the sum of it all; without pictures that the agent cannot
    make. It appears when everything is done.

    Args:
      folder: the run. Nothing is written there.
      results: folder that the new folder goes into.
      page: Markdown page to bring up to date, see `results_page`.
      name: name of the new folder; by default task, preset and seed.
      hardware: what it was trained on, in words; by default what the run's
        config.yaml says.
      note: what else there is to say about it.
      episodes, seed, agents: see `evaluate`.
      allow_unfinished: whether to take runs that are not done.
      overwrite: whether to replace a folder of the same name.

    Returns:
      The new folder.

    Raises:
      ValueError: for whatever the user can mend.
      KeyboardInterrupt: the user did not want to wait.
    """
    origin = _origin(folder, allow_unfinished, name, hardware, note)
    if page is not None:
        results_page.read_page(page)  # Fails before the work is done.
    target = _new_folder(results, origin["name"], folder, overwrite)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
        place = pathlib.Path(scratch) / target.name
        place.mkdir()
        _fill(place, load_run(folder), origin, episodes, seed, agents)
        if target.exists():
            shutil.rmtree(target)
        os.replace(place, target)
    print(f"Published: {target}")
    if page is not None:
        count = results_page.update_page(page, results)
        print(f"Written: {page} with {count} runs")
    return target


def default_name(config: Result, tasks: Iterable[str]) -> str:
    """Names a result after its tasks, preset and seed."""
    return file_name([*tasks, config.get("preset"), config.get("seed")])


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


def _small_enough(candidates: Iterable[bytes]) -> bytes:
    """Returns the first that is small enough, or the last."""
    for content in candidates:
        if len(content) <= MAX_BYTES:
            break
    return content


def _origin(
    folder: RunFolder,
    allow_unfinished: bool,
    name: str | None,
    hardware: str | None,
    note: str,
) -> Result:
    """Says where a run is from, and what it learned from.

    Raises:
      RunFolderError: it is unfinished, or does not tell.
    """
    state, config = runs.run_state(folder), folder.read_config()
    if state != runs.FINISHED and not allow_unfinished:
        raise RunFolderError(
            f"The run {folder.path} is unfinished. Train it to its end first, "
            "or take it as it is with --allow_unfinished."
        )
    hardware = hardware or config.get("machine")
    if not hardware:
        raise RunFolderError(
            f"{folder.config} does not tell what the run was trained on. Say "
            "it with --hardware."
        )
    name = name or default_name(config, runs.read_params(folder)["tasks"])
    return {
        "name": name,
        "preset": config.get("preset"),
        "seed": config.get("seed"),
        "command": repeating.training_command(folder, f"logs/{name}"),
        "hardware": hardware,
        "versions": config.get("versions"),
        "note": note,
        **repeating.count_totals(Journal(folder.metrics).read()),
        "state": state,
    }


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


def _fill(
    place: pathlib.Path,
    run: LoadedRun,
    origin: Result,
    episodes: int,
    seed: int,
    agents: int,
) -> None:
    """Writes all files of the new folder."""
    curves = collect_curves([run.folder], ["test"])
    agents = min(agents, episodes)
    logdir = f"logs/{place.name}"
    result = {
        **origin,
        "step": run.step,
        "tasks": _evaluate(place, run, episodes, seed, agents),
        "evaluation": repeating.evaluation_command(
            logdir, episodes, seed, agents
        ),
        "model": _check_model(place, run, seed),
    }
    names = {str(run.folder.path): place.name}
    write_figure(place / "curve.png", draw(curves, names)[0])
    write_atomically(place / "curve.csv", curve_table(curves, names))
    config = {**run.folder.read_config(), "params": run.params}
    RunFolder(place).write_config(config)
    metrics = repeating.metrics_table(run.folder)
    write_atomically(place / "metrics.csv", metrics)
    write_json(place / "result.json", to_plain(result))
    readme = results_page.render("published.md", result)
    write_atomically(place / "README.md", readme)


def _evaluate(
    place: pathlib.Path, run: LoadedRun, episodes: int, seed: int, agents: int
) -> list[Result]:
    """Evaluates the final agent; returns what the page needs of it."""
    tasks = run.params["tasks"]
    entries, shown = [], []
    for number, task in enumerate(tasks, 1):
        entry, frames = evaluate_run(
            run, task, episodes, seed, agents, keep_frames=True
        )
        policy = None
        if frames is not None:
            suffix = f"-{number}" if len(tasks) > 1 else ""
            policy = f"policy{suffix}.gif"
            write_atomically(place / policy, policy_gif(frames))
        # Folders of this machine mean nothing to others.
        del entry["run"], entry["experiment"]
        entries.append(entry)
        keys = ("task", "mean", "stddev", "episodes", "random", "published")
        shown.append(
            {
                **{key: entry[key] for key in keys},
                "confidence_interval": entry["confidence_interval"],
                "policy": policy,
                "shown_return": entry["returns"][0],
            }
        )
    write_json(
        place / "evaluation.json",
        {"seed": seed, "agents": agents, "tasks": entries},
    )
    return shown


def _check_model(
    place: pathlib.Path, run: LoadedRun, seed: int
) -> Result | None:
    """Writes the diagnosis of the world model, and what it predicts.

    Of agents that predict no images there is nothing to write.
    """
    if not run.predicts_images:
        return None
    figures = diagnose(
        run.folder,
        run.checkpoint,
        seed=seed,
        out=place / "diagnosis.json",
        report=lambda text: None,
    )
    write_json(place / "diagnosis.json", {**figures, "run": place.name})
    episodes = held_out.load_held_out(run)
    gifs = (
        video.encode_gif(
            lay_out(predict(run, episodes, count, seed=seed), scale),
            _PREDICTION_FPS,
        )
        for count, scale in ((4, 2), (3, 2), (2, 2), (3, 1), (2, 1), (1, 1))
    )
    write_atomically(place / "prediction.gif", _small_enough(gifs))
    images, filtered = figures["images"], figures["rewards"]["filtered"]
    return {
        "context": images["context"],
        "horizon": images["horizon"],
        "image_ratio": images["ratio_to_no_change"],
        "one_future_image_ratio": images["one_future_ratio_to_no_change"],
        "image_ratio_to_mean_frame": images["ratio_to_mean_frame"],
        "reward_explained_variance": filtered["explained_variance"],
    }
