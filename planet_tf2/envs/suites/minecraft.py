"""Minecraft through MineRL 0.4.4, which needs Java 8 and a screen.

Written against MineRL's documented interface and tested with a stand-in: the
simulator itself has not been run with it.
"""

import functools
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.suites import packages

LIMIT = 36_000  # Steps of an episode: half an hour.
_INSTALL = (
    "MineRL 0.4.4 (commit 204130f, with the patch for break_speed), Java 8 and"
    " xvfb; see docs/custom_environments.md#minecraft"
)
_NOTHING = "none"
# What there is to do beside the choice; the camera turns by degrees.
_NOOP: Mapping[str, Any] = {
    **dict.fromkeys(
        ("forward", "back", "left", "right", "jump", "sneak", "attack"), 0
    ),
    "camera": (0, 0),
    **dict.fromkeys(
        ("place", "equip", "craft", "nearbyCraft", "nearbySmelt"), _NOTHING
    ),
}
_TURN = 15
_MOVES: Mapping[str, Mapping[str, Any]] = {
    "noop": {},
    "attack": {"attack": 1},
    "turn_up": {"camera": (-_TURN, 0)},
    "turn_down": {"camera": (_TURN, 0)},
    "turn_left": {"camera": (0, -_TURN)},
    "turn_right": {"camera": (0, _TURN)},
    "forward": {"forward": 1},
    "back": {"back": 1},
    "left": {"left": 1},
    "right": {"right": 1},
    "jump": {"jump": 1, "forward": 1},
    "place_dirt": {"place": "dirt"},
}
# How MineRL says what is made where: in the hand, at a table, in a furnace.
_MAKES = {
    "craft": ("craft", ("planks", "stick", "crafting_table")),
    "place": ("place", ("crafting_table", "furnace")),
    "build": (
        "nearbyCraft",
        ("wooden_pickaxe", "stone_pickaxe", "iron_pickaxe", "furnace"),
    ),
    "equip": ("equip", ("stone_pickaxe", "wooden_pickaxe", "iron_pickaxe")),
    "smelt": ("nearbySmelt", ("iron_ingot",)),
}
_CRAFTS = {
    f"{verb.replace('build', 'craft')}_{item}": {key: item}
    for verb, (key, items) in _MAKES.items()
    for item in items
}
# The way to the diamond, each rewarded the first time.
MILESTONES = (
    "log",
    "planks",
    "stick",
    "crafting_table",
    "wooden_pickaxe",
    "cobblestone",
    "stone_pickaxe",
    "iron_ore",
    "furnace",
    "iron_ingot",
    "iron_pickaxe",
    "diamond",
)
_HEALTH = 0.01  # Reward for health that goes from none to all of it.
_STICKY_JUMP = 10  # Steps that a jump goes on.
_PITCH = 60  # Degrees that one looks up or down at most.


class Minecraft(gymnasium.Env):
    """An open world, with an image, an inventory, and discrete actions.

    Observations: `image`; `inventory`, how much there is of each item;
    `inventory_max`, the most there was; `equipped`, one-hot; `health`, `hunger`
    and `breath` between 0 and 1; `obs_reward`, the reward; for the log only
    `log_<item>` for each of `MILESTONES`, how much came. An episode ends with
    `terminated` when the player dies.

    Args:
      goal: `diamond`: 25 actions, 1 for the first of each of `MILESTONES`;
        `wood`: 12 actions, 1 for each log; `climb`: 12 actions, the gain in
        height. To each, 0.01 times the change of `health` is added.
      image_size: Side of the square images in pixels.
      break_speed: How many times faster blocks break. With 1 an attack goes on
        for 30 steps instead.

    Raises:
      ValueError: MineRL is missing.
    """

    render_mode = None
    max_episode_steps = LIMIT

    def __init__(
        self, goal: str, *, image_size: int = 64, break_speed: float = 100.0
    ):
        packages.choose("The goal", goal, ("diamond", "wood", "climb"))
        self._goal = goal
        self._game = _make_game(image_size, break_speed)
        moves = {**_MOVES, **(_CRAFTS if goal == "diamond" else {})}
        self.action_names = tuple(moves)
        self._moves = tuple(moves.values())
        self._sticky_attack = 30 if break_speed == 1 else 0
        known = self._game.observation_space.spaces
        items = known["inventory"].spaces
        self._items = sorted(name for name in items if name != "log2")
        hand = known["equipped_items"].spaces["mainhand"].spaces["type"]
        self._hand = list(hand.values)
        self.action_space = spaces.Discrete(len(self._moves))
        vector = functools.partial(spaces.Box, -np.inf, np.inf)
        shape = (image_size, image_size, 3)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, shape, np.uint8),
                "inventory": vector((len(self._items),)),
                "inventory_max": vector((len(self._items),)),
                "equipped": vector((len(self._hand),)),
                **{name: vector((1,)) for name in _SCALARS},
                **{f"log_{name}": vector((1,)) for name in MILESTONES},
            }
        )
        self._found: dict[str, Any] = {}
        self._most = np.zeros(len(self._items), np.float32)
        self._pitch = self._attack = self._jump = 0

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode in a new world, which follows from the seed."""
        super().reset(seed=seed)
        if seed is not None:
            self._game.seed(seed)
        self._found = self._read(self._game.reset())
        self._most = self._found["inventory"]
        self._pitch = self._attack = self._jump = 0
        return self._observe(self._found, 0.0), {}

    def step(
        self, action: int
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes a step.

        Raises:
          RuntimeError: The game has an error, so that the episode is lost.
        """
        raw, _, done, info = self._game.step(self._keys(int(action)))
        if "error" in info:
            raise RuntimeError(f"Minecraft failed: {info['error']}")
        found = self._read(raw)
        reward = self._reward(found)
        obs = self._observe(found, reward)
        self._found = found
        self._most = obs["inventory_max"]
        return obs, reward, bool(done), False, {}

    def close(self) -> None:
        """Ends the game."""
        self._game.close()

    def _keys(self, action: int) -> dict[str, Any]:
        """Returns what MineRL is told, with what goes on from before."""
        keys = {**_NOOP, **self._moves[action]}
        if keys["attack"]:
            self._attack = self._sticky_attack
        if self._attack:
            keys |= {"attack": 1, "jump": 0}
            self._attack -= 1
        if keys["jump"]:
            self._jump = _STICKY_JUMP
        if self._jump:
            keys |= {"jump": 1, "forward": 1}
            self._jump -= 1
        up, side = keys["camera"]
        if abs(self._pitch + up) > _PITCH:
            up = 0
        self._pitch += up
        return {**keys, "camera": (up, side)}

    def _read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        items = dict(raw["inventory"])
        items["log"] = items["log"] + items.pop("log2", 0)
        life = raw["life_stats"]
        hand = self._hand.index(raw["equipped_items"]["mainhand"]["type"])
        return {
            "image": raw["pov"],
            "items": items,
            "inventory": np.array([items[n] for n in self._items], np.float32),
            "equipped": np.eye(len(self._hand), dtype=np.float32)[hand],
            "health": float(life["life"]) / 20,
            "hunger": float(life["food"]) / 20,
            "breath": float(life["air"]) / 300,
            "height": float(raw["location_stats"]["ypos"]),
        }

    def _reward(self, found: Mapping[str, Any]) -> float:
        before = self._found
        reward = _HEALTH * (found["health"] - before["health"])
        if self._goal == "climb":
            return reward + found["height"] - before["height"]
        if self._goal == "wood":
            return reward + max(
                0, found["items"]["log"] - before["items"]["log"]
            )
        new = (found["inventory"] > 0) & (self._most == 0)
        names = [
            n for n, is_new in zip(self._items, new, strict=True) if is_new
        ]
        return reward + len(set(names) & set(MILESTONES))

    def _observe(
        self, found: Mapping[str, Any], reward: float
    ) -> dict[str, Any]:
        scalars = {name: found.get(name, reward) for name in _SCALARS}
        for name in MILESTONES:
            more = found["items"][name] - self._found["items"][name]
            scalars[f"log_{name}"] = max(0, more)
        return {
            "image": found["image"],
            "inventory": found["inventory"],
            "inventory_max": np.maximum(self._most, found["inventory"]),
            "equipped": found["equipped"],
            **{n: np.array([x], np.float32) for n, x in scalars.items()},
        }


_SCALARS = ("health", "hunger", "breath", "obs_reward")


def _make_game(size: int, break_speed: float) -> Any:
    """Makes the environment of MineRL that tasks are built upon."""
    for name, kind in (("float", float), ("int", int), ("bool", bool)):
        # MineRL is older than NumPy 1.24, which has them no more.
        if not hasattr(np, name):
            setattr(np, name, kind)
    load = functools.partial(packages.load, suite="minecraft", install=_INSTALL)
    handlers = load("minerl.herobraine.hero.handlers")
    hero = load("minerl.herobraine.hero.mc")
    handler = load("minerl.herobraine.hero.handler").Handler
    spec_class = load("minerl.herobraine.env_spec").EnvSpec

    class BreakSpeed(handler):
        """What the patch of MineRL understands."""

        def to_string(self) -> str:
            return f"break_speed({break_speed})"

        def xml_template(self) -> str:
            name = "BreakSpeedMultiplier"
            return f"<{name}>{break_speed}</{name}>"

    items = [_NOTHING, *hero.ALL_ITEMS]
    chosen = {"_other": _NOTHING, "_default": _NOTHING}
    keys = ("forward", "back", "left", "right", "jump", "sneak", "attack")
    members = {
        "create_agent_start": [BreakSpeed()],
        "create_agent_handlers": [],
        "create_server_world_generators": [
            handlers.DefaultWorldGenerator(force_reset=True)
        ],
        "create_server_quit_producers": [
            handlers.ServerQuitWhenAnyAgentFinishes()
        ],
        "create_server_initial_conditions": [
            handlers.TimeInitialCondition(
                allow_passage_of_time=True, start_time=0
            ),
            handlers.SpawningInitialCondition(allow_spawning=True),
        ],
        "create_observables": [
            handlers.POVObservation((size, size)),
            handlers.FlatInventoryObservation(hero.ALL_ITEMS),
            handlers.EquippedItemObservation(
                hero.ALL_ITEMS, _default="air", _other="other"
            ),
            handlers.ObservationFromCurrentLocation(),
            handlers.ObservationFromLifeStats(),
        ],
        "create_actionables": [
            *[
                handlers.KeybasedCommandAction(key, hero.INVERSE_KEYMAP[key])
                for key in keys
            ],
            handlers.CameraAction(),
            handlers.PlaceBlock(items, **chosen),
            handlers.EquipAction(items, **chosen),
            handlers.CraftAction(items, **chosen),
            handlers.CraftNearbyAction(items, **chosen),
            handlers.SmeltItemNearby(items, **chosen),
        ],
        "create_rewardables": [],
        "create_server_decorators": [],
        "create_mission_handlers": [],
        "create_monitors": [],
        "get_docstring": "",
        "is_from_folder": False,
        "determine_success_from_rewards": True,
    }
    methods = {
        name: lambda self, *args, value=value: value
        for name, value in members.items()
    }
    return type("Minecraft", (spec_class,), methods)(name="PlanetTf2-v0").make()
