"""What the Hugging Face Hub reads of a published run: its model card."""

from collections.abc import Mapping
from typing import Any

import yaml

_KIND = "reinforcement-learning"


def front_matter(result: Mapping[str, Any]) -> str:
    """Returns YAML to stand at the beginning of a published `README.md`.

    Args:
      result: what is in `result.json`.
    """
    agent = result["agent"]
    card = {
        "license": "apache-2.0",
        "library_name": "planet_tf2",
        "pipeline_tag": _KIND,
        "tags": [_KIND, "deep-reinforcement-learning", "model-based-rl"]
        + ["world-models", "tensorflow", agent]
        + [entry["task"] for entry in result["tasks"]],
        "model-index": [
            {
                "name": result["name"],
                "results": [_entry(entry) for entry in result["tasks"]],
            }
        ],
    }
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True)


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how well it does in one task, as other agents' cards do."""
    value = f"{entry['mean']:.2f}"
    if entry["stddev"] is not None:
        value += f" +/- {entry['stddev']:.2f}"
    metric = {"type": "mean_reward", "name": "mean_reward", "value": value}
    return {
        "task": {"type": _KIND, "name": _KIND},
        "dataset": {"type": entry["task"], "name": entry["task"]},
        "metrics": [{**metric, "verified": False}],
    }
