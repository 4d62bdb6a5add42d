"""The suites that packages of their own bring along, and their tasks."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Suite:
    """A suite of a package of its own.

    Attributes:
      maker: Function that makes an environment of it.
      tasks: Its tasks: arguments of that function, and simulator steps of an
        episode. None if only the package knows them.
      argument: The argument that names the task, where `tasks` is None.
      limit: Simulator steps of an episode, where `tasks` is None.
      action_repeat: Simulator steps per decision.
      renders: Whether its images are drawn with OpenGL.
    """

    maker: str
    tasks: Mapping[str, tuple[Mapping[str, Any], int]] | None = None
    argument: str = ""
    limit: int = 0
    action_repeat: int = 1
    renders: bool = False


_ROOM = "planet_tf2.envs.suites"
SUITES = {
    "atari": Suite(
        f"{_ROOM}.atari:Atari", None, "game", 108_000, action_repeat=4
    ),
    "crafter": Suite(
        f"{_ROOM}.crafter:Crafter",
        {
            "reward": ({"reward": True}, 10_000),
            "noreward": ({"reward": False}, 10_000),
        },
    ),
    "memorymaze": Suite(
        f"{_ROOM}.memory_maze:MemoryMaze",
        {
            f"{n}x{n}": ({"maze": f"{n}x{n}"}, steps)
            for n, steps in ((9, 1000), (11, 2000), (13, 3000), (15, 4000))
        },
        renders=True,
    ),
    "minecraft": Suite(
        f"{_ROOM}.minecraft:Minecraft",
        {
            name: ({"goal": name}, 36_000)
            for name in ("diamond", "wood", "climb")
        },
    ),
}
