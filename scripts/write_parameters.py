"""Writes docs/parameters.md from the declarations of the parameters."""

import pathlib

import jinja2

from planet_tf2 import agents
from planet_tf2.configs import kinds
from planet_tf2.configs.resolve import describe
from planet_tf2.tools import command

_DOCS = pathlib.Path(__file__).parents[1] / "docs"
_FOLDER = command.define_path("folder", str(_DOCS), "Folder to write to.")

# What is said of each agent's parameters.
_PAGES = {
    "planet": {
        "title": "PlaNet",
        "example": "python scripts/train.py --logdir DIR --config debug \\\n"
        '    --params "{tasks: [cheetah_run], planner_horizon: 8}" '
        "--num_units=50",
        "units": "Steps are counted in sequences: one update is worth "
        "`batch_shape[0]` steps.",
        "origin": "the original",
        "as_there": ", as there",
    },
    "dreamer": {
        "title": "Dreamer",
        "example": "python scripts/train.py --agent dreamer --logdir DIR \\\n"
        "    --config dmc_vision,size_s \\\n"
        '    --params "{tasks: [dmc:walker_walk], actor: {entropy: 1e-3}}"',
        "units": "A *step* is one of the simulator, a *decision* one of the "
        "agent: `action_repeat` steps. Both are counted over all "
        "environments.\n\nThe columns 2023 and 2025 are the defaults of either "
        "`edition`; – has no effect there, and is refused.\n\n"
        "Nested parameters can be given one by one, also as "
        "flags: `--actor.entropy`. `scripts/dreamer.py` takes the command "
        "lines of dreamerv3-torch.",
        "origin": "dreamerv3-torch",
        "as_there": "",
    },
}


def work() -> None:
    for name in _PAGES:
        path = pathlib.Path(_FOLDER.value, _file_name(name))
        path.write_text(render(name))
        print(f"Wrote {path}.")


def _file_name(name: str) -> str:
    return pathlib.PurePosixPath(agents.find(name).Parameters.PAGE).name


def render(name: str) -> str:
    """Returns the page on the parameters of an agent."""
    agent = agents.find(name)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.configs"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = kinds.as_yaml
    environment.filters["expected"] = kinds.expected
    environment.filters["help"] = lambda s: " ".join(s["description"].split())
    others = {
        about["title"]: _file_name(other)
        for other, about in _PAGES.items()
        if other != name
    }
    schemas = describe(agent.Parameters)
    columns = {"Default": {x: schemas[x]["default"] for x in schemas}}
    if hasattr(agent.Parameters, "columns"):
        columns = agent.Parameters.columns()
    return environment.get_template("parameters.md").render(
        parameters=agent.Parameters,
        schemas=schemas,
        columns=columns,
        presets=agent.PRESETS,
        preset_help=agent.PRESET_HELP,
        others=others,
        **_PAGES[name],
    )


if __name__ == "__main__":
    command.start(work)
