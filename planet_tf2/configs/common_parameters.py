"""What can be set of every agent: devices, tasks, repeatability.

Flags, checks, messages and the pages of documentation all follow from these
declarations and those of the agent, such as `agents/planet/parameters.py`.
Names and defaults are those of the original wherever it had the parameter.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.fields import FieldInfo

from planet_tf2.configs import tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    Integer,
    Name,
    Number,
    Positive,
    Switch,
    integer,
)
from planet_tf2.configs.task_text import as_text


class Group(BaseModel):
    """Parameters that are listed under one heading, `GROUP`.

    What stands below a parameter explains it, with units, and is shown by
    `--help` and in the documentation.
    """

    model_config = ConfigDict(
        extra="forbid", defer_build=True, use_attribute_docstrings=True
    )
    GROUP: ClassVar[str]


class Devices(Group):
    """What the networks are computed with."""

    GROUP = "Networks"

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the networks compute in. The latent state, losses, weights and the
    optimizer stay in float32. `bfloat16` pays on GPUs and on CPUs that have it
    in AVX-512 or AMX, `float16` on GPUs that lack bfloat16."""
    num_gpus: Positive = 1
    """GPUs that share each batch, if there are any. They have to divide the
    sequences of a batch evenly."""


class Tasks(Group):
    """Environments, and the images of them."""

    GROUP = "Tasks"

    tasks: Annotated[list[Name], Field(min_length=1)] = ["cheetah_run"]
    """Tasks to learn, all by the same agent: names of the README's list, or
    `dmc:hopper_hop`, `gym:Pendulum-v1`, `classic_gym:Pendulum-v1`, or
    `my_module:my_task`; with arguments `gym:CarRacing-v3?continuous=false`, or
    `{id: gym:CarRacing-v3, kwargs: {continuous: false}}`. See
    docs/custom_environments.md."""
    isolate_envs: Literal["none", "thread", "process"] = "process"
    """Where environments live. `thread` only works where rendering does not use
    software OpenGL, and `none` where nothing is rendered by OpenGL. The
    original's default is `thread`."""
    action_repeat: Positive | None = None
    """Simulator steps per agent step. None means the usual number of each
    task."""
    camera_id: Annotated[Integer, Field(ge=-1)] = 0
    """Camera that the images are taken with, as the simulator counts them; -1
    is the free camera of MuJoCo."""
    image_size: Annotated[Literal[32, 64, 128], BeforeValidator(integer)] = 64
    """Side of the images in pixels. The paper's networks are for 64; those for
    32 and 128 have a layer less or more."""
    image_supersampling: Annotated[Integer, Field(ge=1, le=32)] = 1
    """How many times larger images are drawn, to be averaged over blocks of
    pixels. Small images show thin things that way, which flicker otherwise.
    Images that an environment observes itself, rather than render, are not
    concerned."""
    shadow_size: Annotated[Integer, Field(ge=0, le=16384)] | None = None
    """Side of the map from which the control suite draws shadows. On CPUs it
    takes most of the time of a frame, whatever `image_size` is. None is the
    suite's, 2048; 0 means no shadows. Other environments draw theirs as they
    like."""
    render_images: Switch = False
    """Draw images with `render()` also where an environment observes an `image`
    itself, which may hold symbols and no colours."""
    record_observations: list[Name] = []
    """Observations to store in episodes although nobody learns from them and
    they have more than 1,000 numbers, such as `[depth]`. Smaller ones always
    are."""
    env_timeout_seconds: Annotated[Number, Field(ge=0.001, le=1e6)] | None = (
        300.0
    )
    """Seconds that an environment may take for a reset or a step. One that
    takes longer is ended and started again, for which it has 300 seconds or
    more. None waits for ever. Means nothing where `isolate_envs` is `none`."""
    env_max_failures: Positive = 5
    """Failures of an environment in a row, crashes, hangs and exceptions, after
    which the run stops. After fewer of them the broken episode is dropped and
    repeated in a new environment."""


class Repeatability(Group):
    """Whether equal runs are equal."""

    GROUP = "Repeatability"

    deterministic: Switch = False
    """Makes equal runs equal to the last bit on GPUs too, where operations may
    take several times as long, and keeps the number of CPU threads when a run
    is resumed elsewhere. On CPUs it costs nothing, and on the same machine
    nothing depends on it. See docs/runs.md."""


class StoredEpisodes(Group):
    """What to learn from where there is no simulator."""

    GROUP = "Data"

    offline_traindir: Name = ""
    """Folder of episodes to learn from without acting, in place of collecting
    any. No simulator is needed then. See docs/data.md."""
    offline_evaldir: Name = ""
    """Folder of episodes to evaluate the model on, with `offline_traindir`."""

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        if self.offline_evaldir and not self.offline_traindir:
            raise ConfigError(
                f"Parameter 'offline_evaldir' is {self.offline_evaldir!r}, but "
                "without offline_traindir evaluations play episodes of their "
                "own. Set both, or neither."
            )
        return self


class Settings(BaseModel):
    """Parameters that share a name: `actor: {layers: 2, entropy: 3e-4}`.

    They can be given one by one, also as flags: `--actor.entropy 1e-3`.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class CommonParameters(Devices, Tasks, Repeatability):
    """The parameters that the base reads of every agent.

    Attributes:
      CHANGEABLE: What the run in a folder can go on with other values of, since
        nothing that it computes depends on them.
      DEPRECATED: What is accepted with a warning, and ignored.
      DERIVED: Names of values that follow from parameters; see `derive`.
      GROUPS: The headings in the order of the documentation.
      LENGTH: Name of the parameter that says when a run is done.
      MEANT: What is meant by names of other programs.
      PAGE: Where they are documented.
    """

    CHANGEABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "checkpoint_every",
            "env_max_failures",
            "env_timeout_seconds",
            "isolate_envs",
            "log_every",
        }
    )
    DEPRECATED: ClassVar[tuple[str, ...]] = ()
    DERIVED: ClassVar[tuple[str, ...]] = ()
    GROUPS: ClassVar[tuple[str, ...]]
    LENGTH: ClassVar[str] = "max_steps"
    MEANT: ClassVar[dict[str, str]] = {}
    PAGE: ClassVar[str] = "docs/parameters.md"

    @classmethod
    def known(cls) -> dict[str, FieldInfo]:
        """Returns the parameters whose names are known beforehand.

        Nested ones are called `actor.entropy`.
        """
        known = {}
        for name, field in cls.model_fields.items():
            inside = cls.settings(name)
            if inside is None:
                known[name] = field
            else:
                parts = inside.model_fields.items()
                known |= {f"{name}.{key}": part for key, part in parts}
        return known

    @classmethod
    def settings(cls, name: Any) -> type[Settings] | None:
        """Returns what is nested below a name, or None."""
        field = cls.model_fields.get(name)
        kind = field and field.annotation
        nested = isinstance(kind, type) and issubclass(kind, Settings)
        return kind if nested else None

    @classmethod
    def field(cls, name: Any) -> FieldInfo | None:
        """Returns the parameter of a name, or None.

        Agents may have some whose names depend on the task.
        """
        name, _, inside = str(name).partition(".")
        if not inside:
            return cls.model_fields.get(name)
        nested = cls.settings(name)
        return nested and nested.model_fields.get(inside)

    def derive(self) -> dict[str, Any]:
        """Returns values that the base reads beside parameters, by name.

        These are names that it would otherwise have as parameters.
        """
        return {}

    @classmethod
    def explain(cls, name: str) -> str:
        """Returns the explanation of a parameter in one line, or ''."""
        return " ".join((cls.field(name).description or "").split())

    @classmethod
    def group_of(cls, name: str) -> str:
        """Returns the heading of a parameter."""
        name = name.partition(".")[0]
        groups = [c for c in cls.__mro__ if "GROUP" in vars(c)]
        return next(c.GROUP for c in groups if name in c.model_fields)

    @model_validator(mode="before")
    @classmethod
    def _write_tasks(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Has tasks with arguments in one spelling, as text."""
        chosen = given.get("tasks")
        if not isinstance(chosen, list):
            return given
        try:
            return {**given, "tasks": [as_text(task) for task in chosen]}
        except ValueError as error:
            raise ConfigError(f"Parameter 'tasks': {error}") from None

    @model_validator(mode="after")
    def _check_tasks(self) -> Self:
        if len(set(self.tasks)) < len(self.tasks):
            raise ConfigError(
                f"Parameter 'tasks' names a task twice: {self.tasks}."
            )
        for name in self.tasks:
            try:
                task = tasks.get_task(name)
            except ValueError as error:
                raise ConfigError(f"Parameter 'tasks': {error}") from None
            repeat = self.action_repeat or task.action_repeat
            if task.max_length and repeat > task.max_length:
                raise ConfigError(
                    f"Parameter 'action_repeat' is {repeat}, but episodes of "
                    f"{name!r} have only {task.max_length} simulator steps. "
                    "Lower action_repeat."
                )
        return self
