"""The tasks by name, with the figures that belong to them."""

import dataclasses
import difflib

DM_CONTROL = "dm_control"
DUMMY = "dummy"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task that agents can be trained on.

    Attributes:
      name: What users call it, for example `cup_catch`.
      kind: Family that tells how to build it: `dm_control` or `dummy`.
      domain: Domain of the control suite, for example `ball_in_cup`.
      task: Task of that domain, for example `catch`.
      action_repeat: Simulator steps per decision, unless configured otherwise.
      action_size: Entries of an action.
      max_length: Length of an episode in simulator steps.
      components: Names of the state observations beside the image.
    """

    name: str
    kind: str
    domain: str = ""
    task: str = ""
    action_size: int = 1
    action_repeat: int = 1
    max_length: int = 1000
    components: tuple[str, ...] = ()

    @property
    def renders(self) -> bool:
        """Whether its images are drawn with OpenGL."""
        return self.kind == DM_CONTROL


def get_task(name: str) -> Task:
    """Looks up a task.

    Raises:
      ValueError: There is none of that name; the message suggests one.
    """
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(str(name), TASKS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"Unknown task {name!r}.{hint} The tasks are {', '.join(TASKS)}."
    )


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
    Task(name="dummy", kind=DUMMY, action_size=5),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
