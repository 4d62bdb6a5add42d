"""What programs are timed side by side: ours, and two baselines.

Baselines run in processes of their own, as their users run them: our thread
pools, and what we ask of the memory allocator, hold for all of a process.
"""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cases
import harness
from absl import flags

from planet_tf2 import agents
from planet_tf2.tools import machine

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "variants",
    ["planet_tf2", "plain_keras", "pytorch"],
    "What to time: planet_tf2 or planet_tf2:PRECISION, plain_keras, pytorch, "
    "pytorch:tcmalloc.",
)
flags.DEFINE_string("serve", None, "Run this variant for another benchmark.")

_BASELINES = ("plain_keras", "pytorch", "pytorch:tcmalloc")


def make_all(
    variant: Callable[[str], Callable[[], Any]], more: Sequence[str] = ()
) -> dict[str, Callable[[], Any]]:
    """Makes all that is to be timed, by name.

    Args:
      variant: makes the function of one name, in this process.
      more: arguments of this program for other processes.

    Raises:
      harness.Missing: a variant cannot be made.
    """
    if FLAGS.serve:
        _serve(variant(FLAGS.serve))
    from planet_tf2.tools import devices

    devices.prepare()
    return {
        name: _elsewhere(name, more) if name in _BASELINES else variant(name)
        for name in FLAGS.variants
    }


def split(name: str) -> tuple[str, dict[str, str]]:
    """Splits what is to be timed into its kind and changes of parameters.

    Raises:
      harness.Missing: there is no such variant, or not of these sizes.
    """
    kind, _, detail = name.partition(":")
    if kind == "planet_tf2":
        return kind, {"precision": detail} if detail else {}
    if name not in _BASELINES:
        raise harness.Missing(
            f"There is no variant {name!r}. Choose planet_tf2, planet_tf2:"
            f"bfloat16, planet_tf2:float16, {', '.join(_BASELINES)}."
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


def plain_keras() -> Any:
    """Makes the plain formulation, with the weights of our model."""
    from baselines.plain_keras import PlainKeras

    from planet_tf2.nets import weights

    return PlainKeras(cases.ACTION_SIZE, weights.save_weights(cases.model()))


def pytorch() -> Any:
    """Makes the program in PyTorch, on all cores.

    Raises:
      harness.Missing: there is no PyTorch, or ours would have a GPU.
    """
    torch()
    from baselines.pytorch import PyTorch

    return PyTorch(cases.ACTION_SIZE)


def torch() -> Any:
    """Returns the module, which is to use all cores.

    Raises:
      harness.Missing: there is no PyTorch, or ours would have a GPU.
    """
    harness.check_processor_only()
    try:
        import torch
    except ImportError:
        raise harness.Missing(
            "PyTorch is not installed. `make bench` installs it, or choose "
            "other --variants."
        ) from None
    torch.set_num_threads(machine.usable_cores())
    return torch


def _elsewhere(name: str, more: Sequence[str]) -> Callable[[], None]:
    """Starts a variant in another process and returns how to run it once."""
    environ = dict(os.environ)
    if name.endswith(":tcmalloc"):
        library = harness.tcmalloc()
        if library is None:
            raise harness.Missing(
                "libtcmalloc is not installed (Debian: libtcmalloc-minimal4)."
            )
        environ["LD_PRELOAD"] = library
    process = subprocess.Popen(
        [sys.executable, *sys.argv, f"--serve={name}", *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
    )

    def run() -> None:
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass
        if not process.stdout.readline():
            raise harness.Missing(f"{name} failed.")

    return run


def _serve(function: Callable[[], Any]) -> None:
    """Runs a function once for every line that comes in, and ends."""
    if FLAGS.serve.endswith(":tcmalloc"):
        loaded = pathlib.Path("/proc/self/maps").read_text()
        assert "tcmalloc" in loaded, "LD_PRELOAD was not heeded."
    for _ in sys.stdin:
        function()
        print(flush=True)
    sys.exit()
