"""Writes the episodes of a folder for other programs."""

import importlib.metadata
import os
import pathlib
import re

from gymnasium.envs.registration import EnvSpec

from planet_tf2 import agents
from planet_tf2.agents import stored_episodes
from planet_tf2.configs.environments import env_spec
from planet_tf2.configs.resolve import resolve
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.exchange.import_episodes import replacing_folder
from planet_tf2.exchange.sources import Source, load_package
from planet_tf2.tools.files import replacing

_DESCRIPTION = "Episodes of planet_tf2. Vectors of actions are from -1 to 1."


def export_minari(source: Source, out: str) -> pathlib.Path:
    """Writes a Minari data set, images without loss.

    Where the episodes are those of a run of one task, its environment can be
    recovered from the data set, if planet_tf2 is installed.

    Args:
      source: see `sources.open_source`.
      out: id of the new data set, such as `pole/dreamer-v0`, or its folder, as
        a path that begins with `/`, `./` or `../`.

    Returns:
      The folder.

    Raises:
      ValueError: there is one already, the id is none, Minari is missing, or an
        episode cannot be used.
    """
    name = "minari.dataset.minari_storage"
    storage_class = load_package(name, "minari").MinariStorage
    buffer = load_package("minari.data_collector", "minari").EpisodeBuffer
    root = load_package("minari.storage.datasets_root_dir", "minari")
    dataset = load_package("minari.dataset.minari_dataset", "minari")
    is_path = out.startswith((os.sep, f".{os.sep}", f"..{os.sep}"))
    target = pathlib.Path(out) if is_path else root.get_dataset_path(out)
    identity = re.sub(r"[^\w-]", "_", target.name) if is_path else out
    if is_path and not re.search(r"-v\d+$", identity):
        identity += "-v0"
    try:
        dataset.parse_dataset_id(identity)
    except (TypeError, ValueError):
        raise ValueError(
            f"{out!r} is no id of a Minari data set, such as pole/dreamer-v0. "
            "A path begins with ./ or /"
        ) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target) as folder:
        storage = storage_class.new(
            folder / "data",
            source.observation_space,
            source.action_space,
            _environment(source),
            jpeg_encoding=False,
        )
        version = importlib.metadata.version("minari")
        about = {"dataset_id": identity, "minari_version": version}
        about |= {"description": _DESCRIPTION, "requirements": ["planet_tf2"]}
        storage.update_metadata(about)
        storage.update_episodes(
            buffer(
                observations=dict(episode.observations),
                actions=episode.actions,
                rewards=episode.rewards,
                terminations=episode.terminations,
                truncations=episode.truncations,
            )
            for episode in source.read(True)
        )
    return target


def export_hdf5(source: Source, out: str | os.PathLike[str]) -> pathlib.Path:
    """Writes an HDF5 file with a group for each episode.

    The groups hold what the files do, see `data.episodes`; the file appears
    whole or not at all.

    Raises:
      ValueError: h5py is missing, or an episode cannot be used.
    """
    h5py = load_package("h5py", "minari")
    folder, out = pathlib.Path(source.place), pathlib.Path(out)
    if out.exists():
        raise ValueError(f"{out} is there already. Name a new file.")
    with replacing(out) as target, h5py.File(target, "w") as file:
        for number, name in enumerate(episodes.list_episodes(folder)):
            group = file.create_group(f"episode_{number:06}")
            for key, array in episodes.load_episode(folder / name).items():
                if key != "return":
                    group.create_dataset(key, data=array, compression="gzip")
    return out


def _environment(source: Source) -> EnvSpec | None:
    """Returns what the environment of a run's episodes is made by."""
    folder = RunFolder(pathlib.Path(source.place).absolute().parent)
    if not folder.config.exists():
        return None
    config = folder.read_config()
    agent = agents.of_run(config)
    params = resolve(agent, overrides=config["params"])
    if len(params["tasks"]) > 1 or stored_episodes.is_offline(agent, params):
        return None
    task = params["tasks"][0]
    constructor, kwargs = env_spec(
        task,
        params,
        vector_actions=agent.VECTOR_ACTIONS,
        observations=list(source.observation_space),
    )
    name = re.sub(r"[^\w:.-]", "_", re.sub(r"-v\d+$", "", task))
    return EnvSpec(
        f"planet_tf2/{name}-v0",
        entry_point=constructor,
        disable_env_checker=True,
        order_enforce=False,
        kwargs=kwargs,
    )
