"""Makes a folder that proves a run: how to repeat it, and how well it does."""

import os
import pathlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from planet_tf2.agents import DEFAULT, name_of_run
from planet_tf2.data.episodes import (
    list_episodes,
    load_episode,
    save_episode,
)
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, RunFolderError, make_folder
from planet_tf2.evaluation import held_out, repeating, results_page, runs
from planet_tf2.evaluation.checkpoints import write_weights
from planet_tf2.evaluation.diagnose import diagnose
from planet_tf2.evaluation.evaluate import evaluate_run
from planet_tf2.evaluation.figures import write_figure
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import (
    check_outside,
    file_name,
    write_json,
)
from planet_tf2.evaluation.plot import collect_curves, curve_table, draw
from planet_tf2.evaluation.video_prediction import lay_out, predict
from planet_tf2.tools import video
from planet_tf2.tools.files import write_atomically

Result = dict[str, Any]

MAX_BYTES = 1_000_000  # Of an animation: pages show many of them.
_FPS = 20
_PREDICTION_FPS = 10
# That are published, and how large one may be.
_EPISODES, _EPISODE_BYTES = 2, 250_000


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
    make. With the agent's weights and the last episodes to test it on, it is
    the folder of a small run, whose agent can be loaded. It appears when
    everything is done.

    Args:
      folder: the run. Nothing is written there.
      results: folder that the new folder goes into.
      page: Markdown page to bring up to date, see `results_page`.
      name: name of the new folder; by default task, preset and seed, and before
        them the agent, unless it is PlaNet.
      hardware: what it was trained on; by default as its config.yaml says.
      note: what else there is to say about it.
      episodes, seed, agents: see `evaluate`.
      allow_unfinished: whether to take runs that are not done.
      overwrite: whether to replace a folder of the same name.

    Returns the new folder. Raises `ValueError` for what the user can mend.
    """
    origin = _origin(folder, name, hardware, allow_unfinished)
    target = pathlib.Path(results) / origin["name"]
    # What is wrong shows before the work is done.
    _check_target(target, folder, overwrite)
    if page is not None:
        results_page.read_page(page)
    make_folder(results)
    with tempfile.TemporaryDirectory(dir=results, prefix=".") as scratch:
        place = pathlib.Path(scratch) / target.name
        place.mkdir()
        _write_tables(place, folder)
        run, agents = load_run(folder), min(agents, episodes)
        played = _evaluate(place, run, episodes, seed, agents)
        model = _check_model(place, run, seed)
        _write_agent(RunFolder(place), run, played)
        result = {**origin, "note": note, **played, "model": model}
        write_json(place / "result.json", result)
        sees = run.agent.observation_space
        readme = results_page.render("published.md", {**result, "sees": sees})
        write_atomically(place / "README.md", readme)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(place, target)
    print(f"Published: {target}")
    if page is not None:
        results_page.update_page(page, results)
    return target


def _check_target(
    target: pathlib.Path, folder: RunFolder, overwrite: bool
) -> None:
    """Checks that the new folder may be made."""
    check_outside(target / "result.json", [folder])
    if target.exists() and not overwrite:
        raise RunFolderError(
            f"{target} is there already. Choose another --name, or replace it "
            "with --overwrite."
        )


def policy_gif(frames: np.ndarray) -> bytes:
    """Encodes an episode as a GIF that is small enough for a page.

    Args:
      frames: uint8 `[T, H, W, 3]`.
    """
    sizes = ((3, 250), (3, 125), (2, 250), (2, 125), (2, 60), (1, 60), (1, 30))
    return _small_enough(
        video.encode_gif(
            video.enlarge(video.limit_length(frames, most), scale),
            max(_FPS / -(-len(frames) // most), 2),
        )
        for scale, most in sizes
    )


def _small_enough(candidates: Iterable[bytes]) -> bytes:
    """Returns the first that is small enough, or the last."""
    for content in candidates:
        if len(content) <= MAX_BYTES:
            break
    return content


def _origin(
    folder: RunFolder,
    name: str | None,
    hardware: str | None,
    allow_unfinished: bool,
) -> Result:
    """Says where a run is from, and what it learned from.

    Raises:
      RunFolderError: it is unfinished, published, or does not tell.
    """
    if folder.published.exists():
        raise RunFolderError(
            f"{folder.path} is published already. Name the run that it is of."
        )
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
    preset, seed = config.get("preset"), config.get("seed")
    tasks = runs.read_params(folder)["tasks"]
    agent = name_of_run(config)
    of_agent = [] if agent == DEFAULT else [agent]
    name = name or file_name([*of_agent, *tasks, preset, seed])
    if not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(
            f"name is {name!r}, but must be of letters, digits, '-', '_', '.'."
        )
    return {
        "name": name,
        "agent": agent,
        "preset": preset,
        "seed": seed,
        "command": repeating.training_command(folder, f"logs/{name}"),
        "hardware": hardware,
        "versions": config.get("versions"),
        **repeating.count_totals(list(Metrics(folder.metrics))),
        "state": state,
    }


def _write_tables(place: pathlib.Path, folder: RunFolder) -> None:
    """Writes learning curve, parameters and metrics."""
    curves = collect_curves([folder], ["test"])
    names = {str(folder.path): place.name}
    write_figure(place / "curve.png", draw(curves, names)[0])
    write_atomically(place / "curve.csv", curve_table(curves, names))
    params = runs.read_params(folder)
    RunFolder(place).write_config({**folder.read_config(), "params": params})
    metrics = repeating.metrics_table(folder)
    write_atomically(place / "metrics.csv", metrics)


def _write_agent(place: RunFolder, run: LoadedRun, played: Result) -> None:
    """Writes what makes a run of a folder: weights, episodes, how it ended."""
    place.checkpoints.mkdir()
    path = place.checkpoints / pathlib.Path(run.checkpoint).name
    write_weights(run.agent.weights, run.step, path)
    for kind in ("test_episodes", "train_episodes"):
        source, target = getattr(run.folder, kind), getattr(place, kind)
        names = list_episodes(source)[-_EPISODES:]
        for name in names:
            target.mkdir(exist_ok=True)
            # Of long ones the beginning.
            share = _EPISODE_BYTES / (source / name).stat().st_size
            arrays = load_episode(source / name)
            del arrays["return"]  # It follows from the rewards.
            rows = max(2, int(min(1, share) * len(arrays["reward"])))
            arrays = {key: array[:rows] for key, array in arrays.items()}
            save_episode(target, arrays, pathlib.Path(name).stem)
        if names:
            break
    if run.state == runs.FINISHED:
        score = played["tasks"][0]["mean"]
        write_json(place.done, {"step": run.step, "score": score})


def _evaluate(
    place: pathlib.Path, run: LoadedRun, episodes: int, seed: int, agents: int
) -> Result:
    """Evaluates the final agent; returns what the page needs of it."""
    entries, shown = [], []
    for number, task in enumerate(run.params["tasks"], 1):
        entry, frames = evaluate_run(
            run, task, episodes, seed, agents, keep_frames=True
        )
        policy = None
        if frames is not None:
            policy = "policy.gif" if number == 1 else f"policy-{number}.gif"
            write_atomically(place / policy, policy_gif(frames))
        del entry["run"]  # Folders of this machine mean nothing to others.
        entries.append(entry)
        shown.append(
            {**entry, "policy": policy, "shown_return": entry["returns"][0]}
        )
    write_json(
        place / "evaluation.json",
        {"seed": seed, "agents": agents, "tasks": entries},
    )
    # Random numbers follow from the seed and the number of agents.
    logdir = shlex.quote(f"logs/{place.name}")
    command = (
        f"python scripts/evaluate.py --logdir {logdir} "
        f"--episodes={episodes} --seed={seed} --agents={agents}"
    )
    return {"step": run.step, "tasks": shown, "evaluation": command}


def _check_model(
    place: pathlib.Path, run: LoadedRun, seed: int
) -> Result | None:
    """Writes the diagnosis of the world model, and the images it predicts."""
    if not run.agent.has_model:
        return None
    try:
        figures = diagnose(
            run.folder,
            run.checkpoint,
            seed=seed,
            out=place / "diagnosis.json",
            report=lambda text: None,
        )
    except held_out.EpisodesError as error:
        print(f"The world model is not checked: {error}")
        return None
    write_json(place / "diagnosis.json", {**figures, "run": place.name})
    filtered = figures["rewards"]["filtered"]
    result = {"reward_explained_variance": filtered["explained_variance"]}
    if not run.images:
        return result
    episodes = held_out.load_held_out(run)
    gifs = (
        video.encode_gif(
            lay_out(predict(run, episodes, count, seed=seed), scale),
            _PREDICTION_FPS,
        )
        for count, scale in ((4, 2), (3, 2), (2, 2), (3, 1), (2, 1), (1, 1))
    )
    write_atomically(place / "prediction.gif", _small_enough(gifs))
    images = figures["images"]
    return {
        "context": images["context"],
        "horizon": images["horizon"],
        "image_ratio": images["ratio_to_no_change"],
        "one_future_image_ratio": images["one_future_ratio_to_no_change"],
        "image_ratio_to_mean_frame": images["ratio_to_mean_frame"],
        **result,
    }
