"""Stands in for MineRL 0.4.4 with what its documentation says of it."""

import abc
import sys
import types

import numpy as np

ITEMS = ("air", "diamond", "dirt", "log", "log2", "planks", "stick")
ITEMS += ("crafting_table", "wooden_pickaxe", "cobblestone", "stone_pickaxe")
ITEMS += ("iron_ore", "furnace", "iron_ingot", "iron_pickaxe")


class Handler:
    """Any handler: what it was made of."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs


class EnvSpec(abc.ABC):
    def __init__(self, name, max_episode_steps=None):
        self.name = name
        self.observables = self.create_observables()
        self.actionables = self.create_actionables()
        self.start = self.create_agent_start()
        self.create_server_world_generators()
        self.create_server_quit_producers()
        self.create_server_initial_conditions()

    @abc.abstractmethod
    def create_observables(self): ...

    @abc.abstractmethod
    def create_actionables(self): ...

    @abc.abstractmethod
    def is_from_folder(self, folder): ...

    @abc.abstractmethod
    def get_docstring(self): ...

    def make(self):
        return Game(self)


class Game:
    """Plays what `script` says: the inventory and life after each step."""

    script = ()

    def __init__(self, spec):
        self.spec, self.seeds, self.actions = spec, [], []
        hand = types.SimpleNamespace(values=np.array([*ITEMS, "other"]))
        tree = {"pov": None, "inventory": dict.fromkeys(ITEMS)}
        tree["equipped_items"] = {"mainhand": {"type": hand}}
        self.observation_space = _space(tree)

    def seed(self, seed):
        self.seeds.append(seed)

    def reset(self):
        self._steps = iter(type(self).script)
        return self._observe({})

    def step(self, action):
        self.actions.append(action)
        change = next(self._steps, {})
        info = {"error": "lost"} if "error" in change else {}
        life = change.get("life", 20)
        return self._observe(change), 0.0, life == 0, info

    def close(self):
        pass

    def _observe(self, change):
        (pov,) = (
            h for h in self.spec.observables if type(h).__name__.startswith("P")
        )
        items = {k: v for k, v in change.items() if k in ITEMS}
        return {
            "pov": np.full((*pov.args[0], 3), 7, np.uint8),
            "inventory": {**dict.fromkeys(ITEMS, 0), **items},
            "equipped_items": {"mainhand": {"type": "air"}},
            "life_stats": {
                "life": change.get("life", 20),
                "food": 10,
                "air": 300,
            },
            "location_stats": {"ypos": change.get("y", 64.0)},
        }


def _space(tree):
    if isinstance(tree, dict):
        parts = {name: _space(part) for name, part in tree.items()}
        return types.SimpleNamespace(spaces=parts)
    return tree


def install(monkeypatch):
    """Puts it where `import minerl` finds it, and returns the game's class."""
    names = ("POVObservation", "FlatInventoryObservation", "CameraAction")
    names += ("EquippedItemObservation", "ObservationFromCurrentLocation")
    names += ("ObservationFromLifeStats", "KeybasedCommandAction", "PlaceBlock")
    names += ("EquipAction", "CraftAction", "CraftNearbyAction")
    names += ("SmeltItemNearby", "DefaultWorldGenerator")
    names += ("ServerQuitWhenAnyAgentFinishes", "TimeInitialCondition")
    names += ("SpawningInitialCondition",)
    handlers = {name: type(name, (Handler,), {}) for name in names}
    keys = ("forward", "back", "left", "right", "jump", "sneak", "attack")
    hero = {"ALL_ITEMS": list(ITEMS), "INVERSE_KEYMAP": dict.fromkeys(keys, 1)}
    for name, members in {
        "minerl": {},
        "minerl.herobraine": {},
        "minerl.herobraine.hero": {},
        "minerl.herobraine.hero.handlers": handlers,
        "minerl.herobraine.hero.mc": hero,
        "minerl.herobraine.hero.handler": {"Handler": Handler},
        "minerl.herobraine.env_spec": {"EnvSpec": EnvSpec},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return Game
