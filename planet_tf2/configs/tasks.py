"""The tasks by name, with the figures that belong to them.

cheetah_run             one of the table below
dmc:hopper_hop          any task of the control suite
gym:Pendulum-v1         any environment that Gymnasium knows
classic_gym:CartPole-v1 any environment that classic gym knows
atari:pong              any game that ale-py has; likewise crafter:reward,
                        memorymaze:9x9 and minecraft:diamond, see `suites`
my_module:my_task       a function of yours that makes an environment
gym:CarRacing-v3?continuous=false   any of them with arguments
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import gymnasium

from planet_tf2 import envs
from planet_tf2.configs import task_text
from planet_tf2.configs.suites import SUITES
from planet_tf2.tools.importing import is_reference
from planet_tf2.tools.nearest import did_you_mean, nearest

DM_CONTROL = "dm_control"
GYMNASIUM = "gymnasium"
CLASSIC_GYM = "classic_gym"
CUSTOM = "custom"
SUITE = "suite"
DUMMY = "dummy"

# What the control suite has, by domain. To ask the suite itself means to import
# MuJoCo, and with it maybe OpenGL, into a process that has TensorFlow. A test
# compares this table with the suite.
_SUITE = {
    "acrobot": "swingup swingup_sparse",
    "ball_in_cup": "catch",
    "cartpole": (
        "balance balance_sparse swingup swingup_sparse two_poles three_poles"
    ),
    "cheetah": "run",
    "dog": "stand walk trot run fetch",
    "finger": "spin turn_easy turn_hard",
    "fish": "upright swim",
    "hopper": "stand hop",
    "humanoid": "stand walk run run_pure_state",
    "humanoid_CMU": "stand walk run",
    "lqr": "lqr_2_1 lqr_6_2",
    "manipulator": "bring_ball bring_peg insert_ball insert_peg",
    "pendulum": "swingup",
    "point_mass": "easy hard",
    "quadruped": "walk run escape fetch",
    "reacher": "easy hard",
    "stacker": "stack_2 stack_4",
    "swimmer": "swimmer6 swimmer15",
    "walker": "stand walk run",
}

# `hopper_hop` to (`hopper`, `hop`). Domains have underscores as well.
SUITE_TASKS: dict[str, tuple[str, str]] = {
    f"{domain}_{task}": (domain, task)
    for domain, names in _SUITE.items()
    for task in names.split()
}

# Simulator steps per decision: those of the paper for its domains, and 2, which
# later work uses throughout, for the others.
_ACTION_REPEATS = {
    "ball_in_cup": 4,
    "cartpole": 8,
    "cheetah": 4,
    "reacher": 4,
}

# Whether Gymnasium's own environments draw with OpenGL.
_DRAWS_WITH_OPENGL = {
    "classic_control": False,
    "box2d": False,
    "toy_text": False,
    "mujoco": True,
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A task that agents can be trained on.

    Attributes:
      name: What users call it, for example `cup_catch`.
      kind: Family that tells how to build it, such as `DM_CONTROL`.
      domain: Domain of the control suite, for example `ball_in_cup`.
      task: Task of that domain, for example `catch`; of other kinds what
        follows the colon, or the function that makes the environment.
      action_size: Entries of an action, or None if only the environment knows.
      action_repeat: Simulator steps per decision, unless configured otherwise.
      max_length: Length of an episode in simulator steps, or None if only the
        environment knows.
      components: Names of the state observations beside the image, as far as
        they are known beforehand.
      renders: Whether its images are drawn with OpenGL; None means maybe.
      stretched: Whether short episodes are stretched to the length of the
        sequences that are learned from.
      kwargs: Arguments for what makes the environment.
      camera: Camera that shows the most, unless configured otherwise.
    """

    name: str
    kind: str
    domain: str = ""
    task: str = ""
    action_size: int | None = None
    action_repeat: int = 1
    max_length: int | None = 1000
    components: tuple[str, ...] = ()
    renders: bool | None = False
    stretched: bool = False
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    camera: int = 0


def get_task(name: str) -> Task:
    """Looks up a task.

    Raises:
      ValueError: There is none of that name; the message suggests one.
    """
    if name in TASKS:
        return TASKS[name]
    bare, kwargs = task_text.split(str(name))
    if kwargs:
        task = get_task(bare)
        if task.kind == DUMMY:
            raise ValueError(f"Task {name!r}: {bare} takes no arguments.")
        # They may change everything that is known beforehand.
        return dataclasses.replace(
            task,
            name=name,
            kwargs={**task.kwargs, **kwargs},
            action_size=None,
            max_length=None,
            components=(),
            stretched=True,
        )
    prefix, _, rest = bare.partition(":")
    if prefix == "dmc" and rest in SUITE_TASKS:
        task = _suite_task(name, rest, None, ())
        return dataclasses.replace(task, stretched=True)
    if prefix == "dmc" and rest.startswith("manipulation_"):
        loader = "planet_tf2.envs.dm_control_env:load_manipulation"
        task = _foreign_task(name, CUSTOM, loader, True)
        kwargs = {"environment_name": rest.partition("_")[2]}
        return dataclasses.replace(task, kwargs=kwargs)
    if prefix in SUITES:
        return _package_task(name, prefix, rest)
    # What a module registers when it is imported shows in the worker only.
    if prefix == "gym" and _may_be_registered(rest):
        return _foreign_task(name, GYMNASIUM, rest, _draws_with_opengl(rest))
    if prefix == "classic_gym" and rest:
        return _foreign_task(name, CLASSIC_GYM, rest)
    families = ("dmc", "gym", "classic_gym")
    if prefix not in families and is_reference(str(name)):
        return _foreign_task(name, CUSTOM, name)
    raise ValueError(
        f"Unknown task {name!r}.{_hint(bare)} The tasks are"
        f" {', '.join(TASKS)}, and dmc:domain_task, gym:Id-v0,"
        " gym:package:Id-v0, classic_gym:Id-v0, module:function, and"
        f" {', '.join(f'{suite}:task' for suite in SUITES)}."
    )


def _package_task(name: str, prefix: str, rest: str) -> Task:
    """Describes a task of one of `SUITES`."""
    suite = SUITES[prefix]
    if suite.tasks is None:
        known, limit = {suite.argument: rest}, suite.limit
    elif rest in suite.tasks:
        known, limit = suite.tasks[rest]
    else:
        raise ValueError(
            f"Unknown task {name!r}.{did_you_mean(rest, suite.tasks)} The tasks"
            f" of {prefix} are {', '.join(suite.tasks)}."
        )
    return Task(
        name,
        SUITE,
        task=suite.maker,
        action_repeat=suite.action_repeat,
        max_length=limit,
        renders=suite.renders,
        stretched=True,
        kwargs=known,
    )


def _suite_task(
    name: str,
    suite_name: str,
    action_size: int | None,
    components: tuple[str, ...] = ("position", "velocity"),
) -> Task:
    domain, task = SUITE_TASKS[suite_name]
    return Task(
        name,
        DM_CONTROL,
        domain,
        task,
        action_size,
        _ACTION_REPEATS.get(domain, 2),
        components=components,
        renders=True,
        # The first one of the quadruped is far away.
        camera=2 if domain == "quadruped" else 0,
    )


def _foreign_task(
    name: str, kind: str, task: str, renders: bool | None = None
) -> Task:
    """Describes an environment of others, which knows its own figures."""
    return Task(
        name,
        kind,
        task=task,
        max_length=None,
        renders=renders,
        stretched=True,
    )


def _may_be_registered(env_id: str) -> bool:
    if not env_id or env_id in gymnasium.registry or ":" in env_id:
        return bool(env_id)
    # All that ale-py registers begins so.
    unknown = {"ale_py"} if not env_id.startswith("ALE/") else set()
    return bool(set(envs.plugins()) - unknown)


def _draws_with_opengl(env_id: str) -> bool | None:
    entry = getattr(gymnasium.registry.get(env_id), "entry_point", "")
    family = str(entry).removeprefix("gymnasium.envs.").partition(".")[0]
    return _DRAWS_WITH_OPENGL.get(family)


def _hint(name: str) -> str:
    """Suggests a name, also with a prefix that somebody left out."""
    families = {"dmc": SUITE_TASKS, "gym": gymnasium.registry}
    family, _, rest = name.rpartition(":")
    space = rest.partition("/")[0]
    spaces = {found.rpartition("/")[0] for found in gymnasium.registry}
    if family == "gym" and space not in {*spaces, rest}:
        return (
            f" No package that is installed is known to register {space}. If"
            f" one does, name it: gym:package:{rest}."
        )
    if family in families:
        families = {family: families[family]}
    # The latest version of each.
    known = {
        _unversioned(found): f"{kind}:{found}"
        for kind in families
        for found in families[kind]
    }
    if not family:
        known |= {task: task for task in TASKS}
    close = nearest(_unversioned(rest), known, 0.6)
    return f" Did you mean {known[close]!r}?" if close else ""


def _unversioned(env_id: str) -> str:
    return re.sub(r"-v\d+$", "", env_id)


_ALL = (
    # Action repeats of the paper; cartpole_balance, which it does not use,
    # has that of the other cartpole task.
    _suite_task("cartpole_balance", "cartpole_balance", 1),
    _suite_task("cartpole_swingup", "cartpole_swingup", 1),
    _suite_task(
        "reacher_easy",
        "reacher_easy",
        2,
        ("position", "velocity", "to_target"),
    ),
    _suite_task("cheetah_run", "cheetah_run", 6),
    _suite_task(
        "finger_spin", "finger_spin", 2, ("position", "velocity", "touch")
    ),
    _suite_task("cup_catch", "ball_in_cup_catch", 2),
    _suite_task(
        "walker_walk", "walker_walk", 6, ("height", "orientations", "velocity")
    ),
    Task(
        name="gym_cheetah",
        kind=GYMNASIUM,
        task="HalfCheetah-v5",
        action_size=6,
        components=("state",),
        renders=True,
        stretched=True,
    ),
    Task(
        name="gym_racecar",
        kind=GYMNASIUM,
        task="CarRacing-v3",
        action_size=3,
        stretched=True,
    ),
    Task(name="dummy", kind=DUMMY, action_size=5),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
