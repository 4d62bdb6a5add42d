"""Plays episodes for a run that another process trains with --collectors.

    python scripts/collect.py --logdir RUN

RUN is the folder of one run, 00001 say, which this machine shares with the one
that trains. Ends when the run is over.
"""

from absl import flags

from planet_tf2.tools import command
from planet_tf2.tools.signals import StopSignals

FLAGS = flags.FLAGS

command.define_path("logdir", None, "Folder of the run.", required=True)


def work() -> None:
    with command.native_stderr_silenced():
        from planet_tf2.engines.collector import collect
        from planet_tf2.tools import devices

        devices.prepare()
    with StopSignals() as signals:
        collect(FLAGS.logdir, lambda: signals.requested)


if __name__ == "__main__":
    command.start(work)
