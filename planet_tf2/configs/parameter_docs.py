"""Writes the documentation of the parameters from their declarations."""

import types
from typing import Any

from planet_tf2.configs import kinds
from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.validation import describe

_INTRODUCTION = """\
# Parameters

<!-- Written by scripts/write_parameters.py. Do not edit. -->

Give parameters as YAML, or as flags of the same names:

```
python scripts/train.py --logdir DIR --config debug \\
    --params "{tasks: [cheetah_run], planner_horizon: 8}" --num_units=50
```

Flags win over `--params`, which wins over the preset that `--config` names,
which wins over the defaults below. Angle brackets can stand for the braces:
`"<tasks: [cheetah_run]>"`. An unknown name or a wrong value is an error.

Steps are counted in sequences: one update is worth `batch_shape[0]` steps.
"""

_COLLECTS = """\
## Collect entries

`train_collects` and `test_collects` are lists. For each entry and task, one
simulation collects episodes: in training at the steps that `after`, `every`
and `until` say; while testing once per test phase, without noise. All
settings of an entry are optional:
"""


def write_docs(agent: types.ModuleType) -> str:
    """Returns `docs/parameters.md` for the package of an agent."""
    schemas = describe(agent.Parameters)
    rows: dict[str, list] = {title: [] for title in agent.Parameters.GROUPS}
    for name, schema in schemas.items():
        default = _yaml(schema["default"])
        row = f"`{name}`", default, kinds.expected(schema), _help(schema)
        rows[agent.Parameters.group_of(name)].append(row)
    parts = [_INTRODUCTION]
    for title, group in rows.items():
        columns = ("Name", "Default", "Value", "Meaning")
        parts.append(f"## {title}\n\n{_table(columns, group)}")
    parts += [_collects(schemas["train_collects"]), _presets(agent)]
    return "\n".join([*parts, _names(agent.Parameters)])


def _collects(schema: kinds.Schema) -> str:
    rows = [
        (f"`{name}`", kinds.expected(setting), _help(setting))
        for name, setting in schema["items"]["properties"].items()
    ]
    return f"{_COLLECTS}\n{_table(('Name', 'Value', 'Meaning'), rows)}"


def _help(schema: kinds.Schema) -> str:
    return " ".join(schema["description"].split())


def _presets(agent: types.ModuleType) -> str:
    parts = ["## Presets\n"]
    for name, preset in agent.PRESETS.items():
        about = agent.PRESET_HELP[name]
        rows = [(f"`{key}`", _yaml(value)) for key, value in preset.items()]
        table = "\n" + _table(("Name", "Value"), rows) if rows else ""
        parts.append(f"### `{name}`\n\n{about}\n{table}")
    return "\n".join(parts)


def _names(parameters: type[BaseParameters]) -> str:
    deprecated = ", ".join(f"`{name}`" for name in parameters.DEPRECATED)
    return (
        "## Other parameters of the original\n\n"
        f"Accepted with a warning, without any effect, as there: "
        f"{deprecated}.\n"
    )


def _yaml(value: Any) -> str:
    return f"`{kinds.as_yaml(value)}`"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
