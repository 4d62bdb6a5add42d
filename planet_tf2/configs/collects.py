"""What is collected, and when: the entries of `train_collects`.

An agent whose users can have it collect in several ways declares the parameters
`train_collects` and `test_collects`, as PlaNet does. Without them there is one
entry each.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.tools.attr_dict import AttrDict


def train_collects(params: Mapping[str, Any], **own: Any) -> list[AttrDict]:
    """Returns what to collect while training.

    Entries have `name, batch_size, after, every, until`, and the agent's own
    settings, of which the defaults are given. All steps are training steps, in
    sequences.
    """
    every = params["collect_every"]
    common = {"batch_size": 1, "after": every, "every": every, "until": -1}
    return _complete(params.get("train_collects", [{}]), {**common, **own})


def test_collects(params: Mapping[str, Any], **own: Any) -> list[AttrDict]:
    """Returns what to collect while testing, as `train_collects`.

    Test episodes are collected once per test phase, so `after`, `every` and
    `until` mean nothing for them.
    """
    common = {"batch_size": 1, "after": 0, "every": 1, "until": -1}
    return _complete(params.get("test_collects", [{}]), {**common, **own})


def check_names(parameter: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Makes sure that no two entries of a parameter share their name.

    Raises:
      ConfigError: Two of them do.
    """
    names = [entry["name"] for entry in _complete(entries, {})]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"Parameter {parameter!r} needs a different name for each entry, "
            f"not {names}."
        )


def _complete(
    entries: Iterable[Mapping[str, Any]], common: Mapping[str, Any]
) -> list[AttrDict]:
    collects = []
    for index, entry in enumerate(entries):
        name = "main" if index == 0 else f"main_{index + 1}"
        collects.append(AttrDict({"name": name, **common, **entry}))
    return collects
