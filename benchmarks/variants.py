"""What programs are timed side by side: ours, and two baselines."""

from typing import Any

import cases
import harness
from absl import flags

from planet_tf2 import agents
from planet_tf2.agents.planet.world_model import WorldModel
from planet_tf2.nets import weights
from planet_tf2.tools import machine

flags.DEFINE_list(
    "variants",
    ["planet_tf2", "plain_keras", "pytorch"],
    "What to time: planet_tf2 or planet_tf2:PRECISION, plain_keras, pytorch.",
)


def split(name: str) -> tuple[str, dict[str, str]]:
    """Splits what is to be timed into its kind and changes of parameters.

    Raises:
      harness.Missing: there is no such variant, or not of these sizes.
    """
    kind, _, precision = name.partition(":")
    if kind == "planet_tf2":
        return kind, {"precision": precision} if precision else {}
    if name not in ("plain_keras", "pytorch"):
        raise harness.Missing(
            f"There is no variant {name!r}. Choose planet_tf2, planet_tf2:"
            "bfloat16, planet_tf2:float16, plain_keras, pytorch."
        )
    ours, theirs = cases.params(), agents.resolve("default")
    other = {key for key in theirs if ours[key] != theirs[key]}
    other -= {"tasks"}
    if other:
        shown = ", ".join(sorted(other)[:4]) + ", ..." * (len(other) > 4)
        raise harness.Missing(
            f"{name} has the parameters of the preset `default`, but --config "
            f"or --params change some ({shown}). Choose --variants=planet_tf2."
        )
    return kind, {}


def plain_keras(of: WorldModel) -> Any:
    """Makes the plain formulation, with the weights of a model."""
    from baselines.plain_keras import PlainKeras

    return PlainKeras(cases.ACTION_SIZE, weights.save_weights(of))


def pytorch() -> Any:
    """Makes the program in PyTorch, on all cores.

    Raises:
      harness.Missing: there is no PyTorch, or ours would have a GPU.
    """
    harness.check_processor_only()
    try:
        import torch
        from baselines.pytorch import PyTorch
    except ImportError:
        raise harness.Missing(
            "PyTorch is not installed. `make bench` installs it, or choose "
            "other --variants."
        ) from None
    torch.set_num_threads(machine.usable_cores())
    return PyTorch(cases.ACTION_SIZE)
