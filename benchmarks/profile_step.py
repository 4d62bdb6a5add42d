"""Where does the time of a training step, or of a plan, go?

Prints the operations that take longest, as TensorFlow's profiler sees them.
Their sum is larger than the step where operations run side by side.
"""

import collections
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import harness
import plan
import tensorflow as tf
import train_step
from absl import flags
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from planet_tf2.tools import devices

FLAGS = flags.FLAGS

flags.DEFINE_enum("what", "train_step", ["train_step", "plan"], "What to run.")
flags.DEFINE_string("variant", "planet_tf2", "As of train_step.py or plan.py.")
flags.DEFINE_boolean("by_name", False, "Tell operations of a type apart.")
flags.DEFINE_integer("top", 25, "How many operations to print.", 1)


def trace(function: Callable[[], Any]) -> dict[str, list[float]]:
    """Returns the seconds of every call of every operation, by its type."""
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        function()
        tf.profiler.experimental.stop()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    times = collections.defaultdict(list)
    for plane in space.planes:
        names = {key: x.name for key, x in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                name, _, kind = names[event.metadata_id].partition(":")
                own = kind and "::" not in names[event.metadata_id]
                # A call of a graph contains the others.
                if own and not kind.startswith("__"):
                    label = f"{kind} {name}" if FLAGS.by_name else kind
                    times[label].append(event.duration_ps / 1e12)
    return times


def run() -> harness.Result:
    devices.prepare()
    if FLAGS["variants"].present:
        raise harness.Missing("Choose one, with --variant.")
    source = {"train_step": train_step, "plan": plan}[FLAGS.what]
    function = source.variant(FLAGS.variant)
    function()
    times = trace(function)
    total = sum(map(sum, times.values()))
    rows = sorted(
        (
            (kind, len(ts), sum(ts), sum(ts) / total)
            for kind, ts in times.items()
        ),
        key=lambda row: -row[2],
    )
    return harness.Result(
        f"Operations of {FLAGS.what}, {FLAGS.variant}",
        ("operation", "calls", "seconds", "share"),
        rows[: FLAGS.top],
        {"seconds": total},
    )


if __name__ == "__main__":
    harness.main(run)
