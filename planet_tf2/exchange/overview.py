"""Says what is in stored episodes."""

import itertools
from collections.abc import Iterator

import numpy as np
from gymnasium import spaces
from rich.console import Console
from rich.table import Column, Table

from planet_tf2.data.first_look import remarks
from planet_tf2.exchange.sources import Episode, Source
from planet_tf2.tools.plain_text import one_line


def show(sources: list[Source], console: Console) -> None:
    """Prints a table of sets of episodes, and what may be wrong with them.

    Raises:
      ValueError: an episode cannot be read.
    """
    heads = [Column(source.place, overflow="fold") for source in sources]
    table = Table("", *heads)
    columns = [_describe(source) for source in sources]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    console.print(table)
    for source in sources:
        for text in _remarks(source):
            console.print(f"{source.place}: {text}", soft_wrap=True)


def _describe(source: Source) -> dict[str, str]:
    lengths, returns, ended = [], [], 0
    for episode in source.read(False):
        lengths.append(len(episode.rewards))
        returns.append(episode.rewards.sum(dtype=np.float64))
        ended += bool(episode.terminations[-1:].any())
    return {
        "kind": source.kind,
        "episodes": str(len(lengths)),
        "steps": f"{sum(lengths):,}",
        "length": _spread(lengths),
        "return": _spread(returns),
        "ended, cut off": f"{ended}, {len(lengths) - ended}",
        "observations": _write(source.observation_space),
        "actions": _write(source.action_space),
    }


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    least, mean, most = min(values), np.mean(values), max(values)
    if least == most:
        return f"{least:.6g}"
    return f"{least:.6g} to {most:.6g}, mean {mean:.6g}"


def _write(space: spaces.Space) -> str:
    if isinstance(space, spaces.Dict):
        return "\n".join(f"{name}: {_write(space[name])}" for name in space)
    if isinstance(space, spaces.Box):
        text = f"{space.dtype} {list(space.shape)}"
        if not space.is_bounded() or not space.low.size:
            return text
        return f"{text} from {space.low.min():g} to {space.high.max():g}"
    return one_line(space, 100)


def _remarks(source: Source) -> Iterator[str]:
    shown: Episode | None = next(source.read(True), None)
    if shown is None:
        return
    first = itertools.islice(source.read(False), 20)
    rewards = [episode.rewards for episode in first]
    look = {"reward": np.concatenate(rewards)}
    image = getattr(shown.observations, "get", lambda _: None)("image")
    if image is not None and image.dtype == np.uint8:
        if image.ndim == 4 and image.shape[-1] == 3:
            look["image"] = image
    yield from remarks(look, {})
    if not look["reward"].size:
        yield "Its first episodes have no steps."
