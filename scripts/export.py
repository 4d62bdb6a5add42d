"""Exports a trained agent for other programs.

    python scripts/export.py --logdir RUN --format tflite --out exported

The formats are saved_model (TensorFlow Serving), tflite (LiteRT) and onnx (ONNX
Runtime); see docs/export.md. Nothing is written into the folder of the run.
"""

from absl import flags

from planet_tf2.evaluation import runs
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of a run.", required=True)
flags.DEFINE_string("format", "saved_model", "saved_model, tflite or onnx.")
command.define_path("out", None, "New folder for the agent.", required=True)
flags.DEFINE_integer(
    "batch",
    None,
    "Environments of one call. Default: any of saved_model, else 1.",
    1,
)
command.define_path(
    "checkpoint", None, "Such as ckpt-12 or a path. Default: the newest."
)


def work() -> None:
    folder = runs.find_run(FLAGS.logdir, FLAGS.checkpoint is not None)
    # Not earlier, so that a mistake in a path shows at once.
    with command.native_stderr_silenced():
        from planet_tf2.evaluation.export import export
        from planet_tf2.tools import devices

        devices.prepare()
    out = export(folder, FLAGS.format, FLAGS.out, FLAGS.batch, FLAGS.checkpoint)
    print(f"Exported to {out}; policy.json tells of inputs and outputs.")


if __name__ == "__main__":
    command.start(work)
