"""The tasks by name, with the figures that belong to them.

cheetah_run             one of the table below
dmc:hopper_hop          any task of the control suite
gym:Pendulum-v1         any environment that Gymnasium knows
classic_gym:CartPole-v1 any environment that classic gym knows
my_module:my_task       a function of yours that makes an environment
"""

import dataclasses
import re
from collections.abc import Iterable

import gymnasium

from planet_tf2.configs.suite_tasks import SUITE_TASKS, suite_action_repeat
from planet_tf2.tools.nearest import nearest

DM_CONTROL = "dm_control"
GYMNASIUM = "gymnasium"
CLASSIC_GYM = "classic_gym"
CUSTOM = "custom"
DUMMY = "dummy"

# Gymnasium's own environments that draw without OpenGL, and those with it.
_FLAT = ("classic_control", "box2d", "toy_text")
_OPENGL = ("mujoco",)
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


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


def get_task(name: str) -> Task:
    """Looks up a task.

    Raises:
      ValueError: There is none of that name; the message suggests one.
    """
    if name in TASKS:
        return TASKS[name]
    prefix, colon, rest = str(name).partition(":")
    if colon and prefix in _FAMILIES:
        return _FAMILIES[prefix](name, rest)
    if colon and _FUNCTION.fullmatch(name):
        return Task(
            name,
            CUSTOM,
            task=name,
            max_length=None,
            renders=None,
            stretched=True,
        )
    raise ValueError(_unknown(name))


def _suite_family(name: str, rest: str) -> Task:
    if rest not in SUITE_TASKS:
        raise ValueError(
            f"Unknown task {name!r}.{_hint(rest, SUITE_TASKS, 'dmc:')} The"
            f" control suite has {', '.join(SUITE_TASKS)}."
        )
    domain, task = SUITE_TASKS[rest]
    return Task(
        name,
        DM_CONTROL,
        domain,
        task,
        action_repeat=suite_action_repeat(domain),
        renders=True,
        stretched=True,
    )


def _gymnasium_family(name: str, rest: str) -> Task:
    registered = gymnasium.registry
    # What a module registers when it is imported shows in the worker only.
    if not rest or (rest not in registered and ":" not in rest):
        raise ValueError(
            f"Unknown task {name!r}.{_hint(rest, registered, 'gym:')} Gymnasium"
            " has no environment of that id. One that a package registers"
            " is called gym:package:Name-v0."
        )
    return Task(
        name,
        GYMNASIUM,
        task=rest,
        max_length=None,
        renders=_draws_with_opengl(rest),
        stretched=True,
    )


def _classic_family(name: str, rest: str) -> Task:
    if not rest:
        raise ValueError(
            f"Unknown task {name!r}. Write an id behind the colon, as in"
            " classic_gym:Pendulum-v1."
        )
    return Task(
        name,
        CLASSIC_GYM,
        task=rest,
        max_length=None,
        renders=None,
        stretched=True,
    )


_FAMILIES = {
    "dmc": _suite_family,
    "gym": _gymnasium_family,
    "classic_gym": _classic_family,
}


def _draws_with_opengl(env_id: str) -> bool | None:
    entry = getattr(gymnasium.registry.get(env_id), "entry_point", "")
    family = str(entry).removeprefix("gymnasium.envs.").partition(".")[0]
    if family in _FLAT:
        return False
    return True if family in _OPENGL else None


def _unknown(name: str) -> str:
    close = nearest(name, TASKS, cutoff=0.6) or _nearest_of_families(name)
    hint = f" Did you mean {close!r}?" if close else ""
    return (
        f"Unknown task {name!r}.{hint} The tasks are {', '.join(TASKS)}, and"
        " dmc:domain_task, gym:Id-v0, classic_gym:Id-v0, module:function."
    )


def _nearest_of_families(name: str) -> str | None:
    """Suggests a name with a prefix, also to somebody who left it out."""
    prefixed = [f"dmc:{known}" for known in SUITE_TASKS]
    prefixed += [f"gym:{known}" for known in gymnasium.registry]
    if ":" in str(name):
        return nearest(name, prefixed, cutoff=0.7)
    bare = {known.partition(":")[2]: known for known in prefixed}
    close = nearest(name, bare, cutoff=0.7)
    return bare[close] if close else None


def _hint(name: str, names: Iterable[str], prefix: str) -> str:
    close = nearest(name, names)
    return f" Did you mean {prefix + close!r}?" if close else ""


def _suite_task(
    name: str,
    domain: str,
    task: str,
    action_size: int,
    action_repeat: int,
    components: tuple[str, ...] = ("position", "velocity"),
) -> Task:
    return Task(
        name=name,
        kind=DM_CONTROL,
        domain=domain,
        task=task,
        action_size=action_size,
        action_repeat=action_repeat,
        components=components,
        renders=True,
    )


_ALL = (
    # Action repeats of the paper; cartpole_balance, which it does not use,
    # has that of the other cartpole task.
    _suite_task("cartpole_balance", "cartpole", "balance", 1, 8),
    _suite_task("cartpole_swingup", "cartpole", "swingup", 1, 8),
    _suite_task(
        "reacher_easy",
        "reacher",
        "easy",
        2,
        4,
        ("position", "velocity", "to_target"),
    ),
    _suite_task("cheetah_run", "cheetah", "run", 6, 4),
    _suite_task(
        "finger_spin", "finger", "spin", 2, 2, ("position", "velocity", "touch")
    ),
    _suite_task("cup_catch", "ball_in_cup", "catch", 2, 4),
    _suite_task(
        "walker_walk",
        "walker",
        "walk",
        6,
        2,
        ("height", "orientations", "velocity"),
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
