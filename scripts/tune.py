"""Searches parameters: many runs, of which Ray decides which go on.

    python scripts/tune.py --space space.yaml --logdir logs/sweep --trials 20 \
        --scheduler asha --search random --config cpu --params "{tasks: [...]}"

Started again, it goes on. A trial is a run in a folder of its own, so that
status.py, plot.py and report.py show them. See docs/scaling.md.
"""

import pathlib
import sys

from absl import flags

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.engines import space as spaces
from planet_tf2.engines.sweep import RETURN, Sweep
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path("space", None, "YAML: what to search.", required=True)
command.define_path("logdir", None, "Folder of the sweep.", required=True)
flags.DEFINE_integer(
    "trials", None, "Trials in all; by default one for each of the grid.", 1
)
flags.DEFINE_enum(
    "scheduler",
    "asha",
    ["asha", "pbt", "none"],
    "What ends trials early (asha), or has bad ones copy good ones (pbt).",
)
flags.DEFINE_enum(
    "search", "random", ["random", "optuna"], "Who chooses what is no grid."
)
flags.DEFINE_string("agent", agents.DEFAULT, "As of train.py.")
flags.DEFINE_string("config", "default", "Preset, as of train.py.")
flags.DEFINE_string("params", "", "Parameters of all trials, as YAML.")
flags.DEFINE_string(
    "metric", RETURN, "What counts, of test phases in metrics.jsonl."
)
flags.DEFINE_integer("seed", 0, "Of what is drawn, and of the runs.", 0)
flags.DEFINE_integer(
    "interval",
    None,
    "Steps until asha's first decision, or between two of pbt; by default a "
    "ninth of a run.",
    1,
)
flags.DEFINE_float("cpus_per_trial", 1, "Processors for a trial.", 0)
flags.DEFINE_float("gpus_per_trial", 0, "GPUs for a trial.", 0)
flags.DEFINE_string("address", None, "Of a Ray cluster; auto finds it.")
flags.DEFINE_boolean("retry_failed", False, "Try failed trials again.")
flags.DEFINE_float("ping_every", 30, "As of train.py.", 0, 86400)


def settings() -> dict:
    """Returns what stays the same for all the life of a sweep, checked."""
    if FLAGS.search == "optuna" and FLAGS.scheduler == "pbt":
        raise ConfigError("pbt draws by itself: use --search=random with it.")

    def check(name: str, value: object) -> None:
        given = {} if name == "seed" else {name: value}
        agents.resolve(FLAGS.config, FLAGS.params, given, FLAGS.agent)
        if name == "seed" and (not isinstance(value, int) or value < 0):
            raise ConfigError(f"seed: {value!r} is no whole number from 0 on.")

    try:
        text = pathlib.Path(FLAGS.space).read_text()
    except OSError as error:
        raise ConfigError(
            f"Cannot read --space={FLAGS.space}: {error.strerror}."
        ) from None
    with command.native_stderr_silenced():
        agents.find(FLAGS.agent)  # One's own may load TensorFlow.
    check("seed", 0)
    found = spaces.read_space(text, check)
    names = ("agent", "config", "metric", "scheduler", "search", "seed")
    return {
        **{name: FLAGS[name].value for name in names},
        "mode": "min" if FLAGS.metric.endswith("_loss") else "max",
        "params": FLAGS.params,
        "ping_every": FLAGS.ping_every,
        "space": {n: [e.kind, list(e.values)] for n, e in found.items()},
    }


def work() -> int:
    told = settings()
    try:
        from planet_tf2.engines import tuning
    except ImportError as error:
        raise ConfigError(
            f"Sweeps need a package that is not installed ({error.name}): "
            "pip install 'planet_tf2[ray]'"
        ) from None
    sweep = Sweep(pathlib.Path(FLAGS.logdir).resolve())
    with sweep.driving(told):
        for trial in sweep.trials() if FLAGS.retry_failed else []:
            trial.run.fail.unlink(missing_ok=True)
        size = spaces.grid_size(sweep.space)
        amount = FLAGS.trials or (size if size > 1 else 10)
        steps = sweep.resolve({})["max_steps"]
        tuning.tune_runs(
            sweep,
            amount,
            min(FLAGS.interval or max(1, steps // 9), steps),
            {"cpu": FLAGS.cpus_per_trial, "gpu": FLAGS.gpus_per_trial},
            {"address": FLAGS.address} if FLAGS.address else {},
            lambda text: print(text, flush=True),
        )
        return conclude(sweep, told)


def conclude(sweep: Sweep, told: dict) -> int:
    """Says which trials were best, and which failed."""
    trials = sweep.trials()
    found = [(t, t.results(told["metric"])) for t in trials]
    ranked = sorted(
        ((results[-1].value, t) for t, results in found if results),
        key=lambda pair: pair[0],
        reverse=told["mode"] == "max",
    )
    for value, trial in ranked[:5]:
        params = ", ".join(f"{n}: {v}" for n, v in trial.params.items())
        print(f"{told['metric']} {value:.4g}  {trial.run.path}  {params}")
    failed = [trial for trial in trials if trial.state == "failed"]
    for trial in failed:
        print(
            f"{trial.path.name} failed, see {trial.run.fail}. --retry_failed "
            "tries it again.",
            file=sys.stderr,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    command.start(work)
