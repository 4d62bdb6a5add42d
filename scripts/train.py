"""Trains agents, PlaNet unless told otherwise, from pixels.

    python scripts/train.py --logdir LOGDIR --config default \
        --params "{tasks: [cheetah_run]}"

Every parameter of docs/parameters.md is a flag too. Flags win over --params,
which wins over the preset.
"""

import errno
import os
import re
import sys
import types

from absl import flags

from planet_tf2 import agents
from planet_tf2.configs.params_text import define_flags, flag_overrides
from planet_tf2.tools import command
from planet_tf2.tools.files import StorageError

FLAGS = flags.FLAGS


if {"TF_CONFIG", "SLURM_STEP_ID"} & set(os.environ):
    # That another process is gone is said in one line, and not by TensorFlow.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def find_agent() -> types.ModuleType:
    """Finds the agent whose parameters are flags, before these are there."""
    early = flags.FlagValues()
    flags.DEFINE_string("agent", agents.DEFAULT, "", flag_values=early)
    try:
        early(sys.argv, known_only=True)
        with command.native_stderr_silenced():
            return agents.find(early.agent)
    except (ValueError, flags.Error) as error:
        sys.exit(f"Error: {error}")


# Before TensorFlow: pydantic looks the source of parameters up in all modules.
AGENT = find_agent()
for name in define_flags(AGENT.Parameters):
    flags.declare_key_flag(name)

with command.native_stderr_silenced():
    from tensorflow import errors

    from planet_tf2.experiment.experiment import RunsLeft
    from planet_tf2.tools import cluster, devices
    from planet_tf2.tools.signals import Stopped
    from planet_tf2.train import train

    devices.prepare()

flags.DEFINE_string(
    "agent",
    agents.DEFAULT,
    "Agent: planet, or the module of your own, my_package.my_agent.",
)
command.define_path("logdir", None, "Folder of the experiment.", required=True)
flags.DEFINE_string("config", "default", f"Preset: {', '.join(AGENT.PRESETS)}.")
flags.DEFINE_string(
    "params", "", "Parameters as YAML, in braces or angle brackets."
)
flags.DEFINE_integer(
    "num_runs", 1, "Number of runs, with a seed each.", 1, 99999
)
flags.DEFINE_float(
    "ping_every",
    30,
    "Seconds between signs of life to other workers.",
    0,
    86400,
)
flags.DEFINE_string(
    "worker_name", None, "Name to show; host and process by default."
)
flags.DEFINE_boolean("resume_runs", True, "Go on with unfinished runs.")
flags.DEFINE_boolean("retry_failed", False, "Try failed runs again.")
flags.DEFINE_boolean(
    "wait",
    True,
    "Wait for the runs of other workers, and take over what they leave.",
)
flags.DEFINE_integer(
    "seed", 0, "Run number n has this seed plus n.", 0, 2**31 - 1
)
flags.DEFINE_string(
    "track", "", "Show the runs there as well: wandb, mlflow, or wandb,mlflow."
)

flags.DEFINE_enum(
    "cluster",
    "env",
    ["env", "slurm", "none"],
    "Train one run by several processes, all started by this command: those of "
    "TF_CONFIG, if it is set; those of a step of SLURM; or not.",
)

flags.DEFINE_integer(
    "collectors",
    0,
    "Processes that play the training episodes while this one learns. See "
    "docs/scaling.md for what that changes.",
    0,
    1000,
)

# Exit statuses: asked to stop, and the same command goes on (75); other workers
# are at what is left (69).
STOPPED, HELD = os.EX_TEMPFAIL, os.EX_UNAVAILABLE


def work() -> None:
    """Trains. The traceback of a failure is in the FAIL file of its run."""
    if FLAGS.cluster != "env":
        os.environ.pop(cluster.VARIABLE, None)
    if FLAGS.cluster == "slurm":
        os.environ[cluster.VARIABLE] = cluster.from_slurm(os.environ)
    try:
        train(
            FLAGS.logdir,
            FLAGS.config,
            FLAGS.params,
            flag_overrides(AGENT.Parameters),
            FLAGS.agent,
            FLAGS.seed,
            num_runs=FLAGS.num_runs,
            collectors=FLAGS.collectors,
            worker_name=FLAGS.worker_name,
            ping_every=FLAGS.ping_every,
            resume_runs=FLAGS.resume_runs,
            retry_failed=FLAGS.retry_failed,
            wait_for_others=FLAGS.wait,
            track=FLAGS.track,
        )
    except Stopped as stop:
        print(f"{stop} The same command goes on from there.")
        sys.exit(STOPPED)
    except RunsLeft as left:
        print(left, file=sys.stderr)
        sys.exit(HELD if left.held else 1)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from the last checkpoint.")
        sys.exit(command.INTERRUPTED)
    except (OSError, errors.OpError) as error:
        # Without TensorFlow's name of the operation.
        text = re.sub(r"^\{\{.*?\}\} ?", "", str(error)).partition("\n")[0]
        numbers = (errno.ENOSPC, errno.EDQUOT)
        full = any(os.strerror(number) in text for number in numbers)
        if full or isinstance(error, StorageError):
            text += (
                ". The last checkpoint is whole. "
                f"{'Make room' if full else 'Remove the cause'}, and go on "
                "from there with --retry_failed."
            )
        raise RuntimeError(text) from error


if __name__ == "__main__":
    command.start(work)
