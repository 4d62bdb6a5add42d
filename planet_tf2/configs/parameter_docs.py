"""Writes the documentation of the parameters from their list."""

import itertools
from typing import Any

from planet_tf2.configs import acting_parameters, kinds, presets
from planet_tf2.configs.parameters import DEPRECATED, PARAMETERS

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


def write_docs() -> str:
    """Returns `docs/parameters.md`."""
    parts = [_INTRODUCTION]
    groups = itertools.groupby(PARAMETERS.values(), key=lambda p: p.group)
    for title, group in groups:
        rows = [
            (f"`{p.name}`", _yaml(p.default), str(p.kind), p.help)
            for p in group
        ]
        columns = ("Name", "Default", "Value", "Meaning")
        parts.append(f"## {title}\n\n{_table(columns, rows)}")
    parts += [_collects(), _presets(), _names()]
    return "\n".join(parts)


def _collects() -> str:
    rows = [
        (f"`{name}`", str(kind), acting_parameters.COLLECT_HELP[name])
        for name, kind in acting_parameters.COLLECT_ENTRY.kinds
    ]
    return f"{_COLLECTS}\n{_table(('Name', 'Value', 'Meaning'), rows)}"


def _presets() -> str:
    parts = ["## Presets\n"]
    for name, preset in presets.PRESETS.items():
        about = presets.HELP[name]
        rows = [(f"`{key}`", _yaml(value)) for key, value in preset.items()]
        table = "\n" + _table(("Name", "Value"), rows) if rows else ""
        parts.append(f"### `{name}`\n\n{about}\n{table}")
    return "\n".join(parts)


def _names() -> str:
    deprecated = ", ".join(f"`{name}`" for name in DEPRECATED)
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
