"""What is worth knowing of a loss, to draw it and to judge it.

Every agent has a table of its losses, and of other scalars that deserve a
chart. Charts, alarms and diagnosis read it, so that none of them knows an
agent's losses or parameters.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Params = Mapping[str, Any]
Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class LossInfo:
    """What a loss means.

    A loss that predicts something is a negative log-likelihood of it. One that
    always predicts the mean has half the target's variance beyond its
    constant, over the squared `scale`. That much after many updates is bad: it
    has learned nothing.

    Attributes:
      title: what is written above its chart.
      unit: what it is measured in.
      about: what it is, in a sentence without a full stop, or nothing.
      meaning: how to read its values, in sentences, or nothing.
      target: name of what it predicts, as in episodes; None if it predicts
        nothing.
      constant: maps parameters and the shapes of targets to the part of it
        that nothing can be learned of; None if that depends on what is learned
        or on a shape that is not known.
      scale: maps parameters to the standard deviation that it measures errors
        by.
      floor: maps parameters to the nats per time step that cost nothing, and
        that it does not count.
      may_run_away: whether it is bad if it grows over several updates.
    """

    title: str
    unit: str = "nats"
    about: str = ""
    meaning: str = ""
    target: str | None = None
    constant: Callable[[Params, Shapes], float | None] = lambda *_: 0.0
    scale: Callable[[Params], float] = lambda _: 1.0
    floor: Callable[[Params], float] = lambda _: 0.0
    may_run_away: bool = False


def loss_info(losses: Mapping[str, LossInfo], name: str) -> LossInfo:
    """Returns what is known of a loss, which for some is the name alone.

    Args:
      losses: the agent's table.
      name: of the loss, as in the table or as `metrics.jsonl` writes it, with
        `_loss` behind.
    """
    known = losses.get(name.removesuffix("_loss"))
    return known or LossInfo(name.replace("_", " ").capitalize())
