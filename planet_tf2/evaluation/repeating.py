"""How a run was made: the command that repeats it, and what it measured."""

import shlex
import types
from collections.abc import Sequence
from typing import Any

import yaml

from planet_tf2 import agents
from planet_tf2.configs import resolve
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.output import csv_text
from planet_tf2.evaluation.runs import read_params
from planet_tf2.tools.attr_dict import to_plain

_MAX_UPDATES = 2000


def training_command(folder: RunFolder, logdir: str) -> str:
    """Returns the command that repeats a run, with its seed, in one run.

    It has the preset and the parameters that differ from it now, so that it
    stays right when presets change.

    Args:
      folder: the run's folder.
      logdir: where the repeated run is to go.
    """
    config = folder.read_config()
    params = to_plain(read_params(folder))
    agent, seed = agents.of_run(config), config.get("seed", 1)
    preset = resolve.known_presets(agent, config.get("preset", "default"))
    words = ["python", "scripts/train.py", "--logdir", logdir]
    if agent is not agents.find():
        words += ["--agent", config["agent"]]
    words += ["--config", preset]
    changed = _changes(agent, preset, params)
    if changed != "{}":
        words += ["--params", changed]
    if seed > 1:
        # The first run has this plus one.
        words += ["--seed", str(seed - 1)]
    return shlex.join(words)


def metrics_table(folder: RunFolder) -> str:
    """Returns `metrics.jsonl` as CSV, a column for each name.

    All episodes are in it; of very many updates some are left out evenly.
    """
    records = list(Metrics(folder.metrics))
    updates = [i for i, record in enumerate(records) if "file" not in record]
    stride = -(-len(updates) // _MAX_UPDATES) or 1
    # Counted from behind, so that the last is there.
    left_out = set(updates) - set(updates[::-1][::stride])
    rows = [r for i, r in enumerate(records) if i not in left_out]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [[_rounded(row.get(name)) for name in names] for row in rows]
    return csv_text(names, table)


def count_totals(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums up how much was learned from, by the lines of `metrics.jsonl`.

    Returns:
      `updates`, `train_episodes`, `simulator_steps`, and `hours` of work, which
      are None where the run does not tell.
    """
    updates = [
        record["update"]
        for record in records
        if record.get("phase") == "train" and "update" in record
    ]
    trained = [r for r in records if r.get("split") == "train"]
    timed = records and all("elapsed_seconds" in r for r in records)
    return {
        "updates": updates[-1] if updates else 0,
        "train_episodes": len(trained),
        "simulator_steps": trained[-1]["env_step"] if trained else 0,
        "hours": records[-1]["elapsed_seconds"] / 3600 if timed else None,
    }


def _changes(
    agent: types.ModuleType, preset: str, params: dict[str, Any]
) -> str:
    """Returns what turns a preset into these parameters, as YAML."""
    changed: dict[str, Any] = {}
    params = resolve.flat(agent.Parameters, params)
    # More than once, since some defaults follow from other parameters.
    while True:
        base = to_plain(resolve.resolve(agent, preset, overrides=changed))
        base = resolve.flat(agent.Parameters, base)
        new = {k: v for k, v in params.items() if base.get(k) != v}
        if not new:
            break
        assert not set(new) <= set(changed), new
        changed |= new
    text = yaml.safe_dump(
        changed, default_flow_style=True, sort_keys=False, width=float("inf")
    )
    return text.strip()


def _rounded(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
