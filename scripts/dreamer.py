"""Trains Dreamer by the command lines of dreamerv3-torch.

    python scripts/dreamer.py --configs dmc_vision --task dmc_walker_walk \
        --logdir LOGDIR --batch_size 32 --actor.entropy 1e-3

This translates them for scripts/train.py, which has more to offer. Parameters
are those of docs/dreamer_parameters.md, presets those at its end.
"""

import pathlib
import re
import runpy
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import as_yaml
from planet_tf2.configs.params_text import parse_value

_TRAIN = pathlib.Path(__file__).with_name("train.py")
# What scripts/train.py has beside parameters.
_OPTIONS = (
    "cluster",
    "collectors",
    "help",
    "helpfull",
    "logdir",
    "num_runs",
    "ping_every",
    "resume_runs",
    "retry_failed",
    "seed",
    "track",
    "wait",
    "worker_name",
)
_SWITCHES = ("help", "helpfull", "resume_runs", "retry_failed", "wait")
_SUITES = ("dmc", "atari", "crafter", "memorymaze", "minecraft")
_NAMES = {
    "actions": "atari.actions",
    "break_speed": "minecraft.break_speed",
    "deterministic_run": "deterministic",
    "lives": "atari.lives",
    "noops": "atari.noops",
    "resize": "atari.resize",
    "size": "image_size",
    "stickey": "atari.sticky",
}
_PRECISIONS = {"16": "float16", "32": "float32"}


def translate(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments for scripts/train.py.

    Raises:
      ConfigError: a value is missing or cannot be read, or a parameter is given
        twice.
    """
    config, params, options = [], {}, []
    for name, values in _grouped(arguments):
        if not values and not _is_switch(name):
            raise ConfigError(f"--{name} needs a value.")
        value = " ".join(values) if values else "true"
        if name == "configs":
            config += [x for text in values for x in text.split(",")]
        elif name == "task":
            params["tasks"] = [task_name(value)]
        elif name in _OPTIONS:
            options.append(f"--{name}={value}" if values else f"--{name}")
        elif name in ("agent", "config", "params"):
            raise ConfigError(
                f"--{name} is of scripts/train.py. Here are --configs, "
                "--task, and a flag for each parameter."
            )
        else:
            known, found = _parameter(name, value)
            if known in params:
                raise ConfigError(f"--{name}={value}: {known} is given twice.")
            params[known] = found
    config = [x for x in config if x != "defaults"] or ["default"]
    about = ["--agent=dreamer", f"--config={','.join(config)}"]
    return [*about, f"--params={as_yaml(params)}", *options]


def _grouped(arguments: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Returns the flags, and the values behind each of them."""
    found: list[tuple[str, list[str]]] = []
    for argument in arguments:
        if flag := re.fullmatch(r"--([^=]+)(?:=(.*))?", argument, re.DOTALL):
            name, value = flag.groups()
            found.append((name, [] if value is None else [value]))
        elif found:
            found[-1][1].append(argument)
        else:
            raise ConfigError(f"Not understood: {argument}. Flags are --name.")
    return found


def _is_switch(name: str) -> bool:
    """Whether a flag needs no value. Unknown ones are judged later."""
    parameters = agents.find("dreamer").Parameters
    field = parameters.field(_NAMES.get(name, name))
    if field is None:
        return name in _SWITCHES or name not in ("configs", "task", *_OPTIONS)
    return field.annotation is bool


def _parameter(name: str, text: str) -> tuple[str, Any]:
    """Returns a parameter's name and value."""
    if name == "precision":
        text = _PRECISIONS.get(text, text)
    if (
        name == "size"
        and len(set(sides := re.findall(r"[^\s,()[\]]+", text))) == 1
    ):
        text = sides[0]  # Both sides, which are the same.
    name = _NAMES.get(name, name)
    field = agents.find("dreamer").Parameters.field(name)
    if field is not None and isinstance(field.default, list):
        parts = [] if text.startswith("[") else re.split(r"[,\s]+", text)
        return name, parts or parse_value(name, text)
    return name, parse_value(name, text, field)


def task_name(name: str) -> str:
    """Returns what `dmc_cup_catch` is called here: `dmc:ball_in_cup_catch`."""
    suite, _, rest = name.partition("_")
    if suite not in _SUITES or not rest:
        return name
    if suite == "dmc":
        rest = re.sub(r"^cup_", "ball_in_cup_", rest)
    return f"{suite}:{rest}"


if __name__ == "__main__":
    try:
        sys.argv = [sys.argv[0], *translate(sys.argv[1:])]
    except ValueError as error:
        sys.exit(f"Error: {error}")
    runpy.run_path(str(_TRAIN), run_name="__main__")
