"""Where and when to act, how to choose actions, and what to log.

Part of the list in `parameters.py`.
"""

from planet_tf2.configs.kinds import (
    Bool,
    Entries,
    Float,
    Int,
    ListOf,
    Named,
    OneOf,
    Optional,
    Text,
)
from planet_tf2.configs.parameter import grouped

OBJECTIVES = ("reward", "discounted_reward")
PLANNERS = ("cem", "icem")

COLLECT_ENTRY = Entries(
    (
        ("name", Text()),
        ("batch_size", Int(1)),
        ("horizon", Int(1)),
        ("objective", Named(OBJECTIVES)),
        ("after", Int(0)),
        ("every", Int()),
        ("until", Int(-1)),
        ("action_noise", Float(0)),
        ("action_noise_ramp", Int()),
        ("action_noise_min", Float(0, 1)),
    )
)

COLLECT_HELP = {
    "name": "Name for the logs: `main` for the first entry.",
    "batch_size": "Agents that collect an episode each, at the same time.",
    "horizon": "Agent steps that a plan looks ahead: `planner_horizon`.",
    "objective": "What plans are rated by: `collect_objective`.",
    "after": "First training step to collect at: `collect_every`. This and the "
    "next two are for training; tests collect once per test phase.",
    "every": "Training steps between collections: `collect_every`. 0 means "
    "never.",
    "until": "No collection at or behind this training step. -1 means no end.",
    "action_noise": "Standard deviation of the noise: `train_action_noise`, "
    "but tests have none, whatever it is.",
    "action_noise_ramp": "As the parameter, which is its default.",
    "action_noise_min": "As the parameter, which is its default.",
}

TASKS = grouped(
    "Tasks",
    (
        "tasks",
        ["cheetah_run"],
        ListOf(Text(), minimum_length=1),
        "Tasks to learn, all by the same agent: names of the README's list, or "
        "`dmc:hopper_hop`, `gym:Pendulum-v1`, `classic_gym:Pendulum-v1`, or "
        "`my_module:my_task`, see docs/custom_environments.md.",
    ),
    (
        "isolate_envs",
        "process",
        Text(("none", "thread", "process")),
        "Where environments live. `thread` only works where rendering does not "
        "use software OpenGL, and `none` where nothing is rendered by OpenGL. "
        "The original's default is `thread`.",
    ),
    (
        "action_repeat",
        None,
        Optional(Int(1)),
        "Simulator steps per agent step. None means the usual number of each "
        "task.",
    ),
    (
        "camera_id",
        0,
        Int(-1),
        "Camera that the images are taken with, as the simulator counts them; "
        "-1 is the free camera of MuJoCo.",
    ),
    (
        "image_size",
        64,
        OneOf((32, 64, 128)),
        "Side of the images in pixels. The paper's networks are for 64; those "
        "for 32 and 128 have a layer less or more.",
    ),
    (
        "image_supersampling",
        1,
        Int(1),
        "How many times larger images are drawn, to be averaged over blocks of "
        "pixels. Small images show thin things that way, which flicker "
        "otherwise. Images that an environment observes itself, rather than "
        "render, are not concerned.",
    ),
    (
        "shadow_size",
        None,
        Optional(Int(0)),
        "Side of the map from which the control suite draws shadows. On CPUs "
        "it takes most of the time of a frame, whatever `image_size` is. None "
        "is the suite's, 2048; 0 means no shadows. Other environments draw "
        "theirs as they like.",
    ),
    (
        "env_timeout_seconds",
        300.0,
        Optional(Float(0.001)),
        "Seconds that an environment may take for a reset or a step. One that "
        "takes longer is ended and started again, for which it has 300 seconds "
        "or more. None waits for ever. Means nothing where `isolate_envs` is "
        "`none`.",
    ),
    (
        "env_max_failures",
        5,
        Int(1),
        "Failures of an environment in a row, crashes, hangs and exceptions, "
        "after which the run stops. After fewer of them the broken episode is "
        "dropped and repeated in a new environment.",
    ),
)

SCHEDULE = grouped(
    "Schedule",
    (
        "train_steps",
        50000,
        Int(1),
        "Length of a training phase, in sequences: an update is worth "
        "`batch_shape[0]` steps.",
    ),
    ("test_steps", 50, Int(1), "Length of a test phase, in sequences."),
    (
        "max_steps",
        50000000,
        Int(1),
        "Steps after which the run is done, in sequences, both phases counted.",
    ),
    (
        "checkpoint_every",
        None,
        Optional(Int(1)),
        "Steps of test phases between checkpoints, in sequences, as in the "
        "original. Besides, there is one after every "
        "collected episode and every test phase. None means 10 times "
        "`test_steps`.",
    ),
    (
        "num_seed_episodes",
        5,
        Int(1),
        "Random episodes to start from, for each task and for training and "
        "test data each.",
    ),
    (
        "collect_every",
        5000,
        Int(1),
        "Training steps between collected episodes, in sequences, where "
        "`train_collects` says nothing else.",
    ),
    (
        "train_collects",
        [{}],
        ListOf(COLLECT_ENTRY),
        "What to collect for training; docs/parameters.md has its entries.",
    ),
    (
        "test_collects",
        [{}],
        ListOf(COLLECT_ENTRY),
        "What to collect in the test phases; its entries are those of "
        "`train_collects`.",
    ),
)

EXPLORATION = grouped(
    "Exploration",
    (
        "train_action_noise",
        0.3,
        Float(0),
        "Standard deviation of the noise added to actions while collecting "
        "training data. Actions lie in [-1, 1].",
    ),
    (
        "action_noise_ramp",
        0,
        Int(),
        "Training steps over which the noise grows from nothing, or, if "
        "negative, fades to nothing. 0 keeps it constant.",
    ),
    (
        "action_noise_min",
        0.0,
        Float(0, 1),
        "Fraction of the noise that is kept whatever the ramp says.",
    ),
)

PLANNER = grouped(
    "Planner",
    (
        "planner",
        "cem",
        Text(PLANNERS),
        "Planning algorithm: the cross-entropy method of the paper, or its "
        "improvement by Pinneri et al. (2020).",
    ),
    ("planner_horizon", 12, Int(1), "Agent steps that a plan looks ahead."),
    ("planner_amount", 1000, Int(1), "Action sequences per iteration."),
    (
        "planner_topk",
        100,
        Int(1),
        "Best action sequences that the next iteration is fitted to.",
    ),
    (
        "planner_iterations",
        10,
        Int(0),
        "Iterations per decision. 0 plans to do nothing, so that only the "
        "action noise acts.",
    ),
    (
        "collect_objective",
        "reward",
        Named(OBJECTIVES),
        "What plans are rated by. See docs/planning.md for your own.",
    ),
    (
        "objective_discount",
        0.99,
        Float(0, 1),
        "What `discounted_reward` multiplies rewards by, per agent step.",
    ),
    (
        "icem_noise_exponent",
        2.0,
        Float(0),
        "`icem`: how fast the power of the candidates' noise falls with the "
        "frequency. 0 is white noise.",
    ),
    (
        "icem_stddev",
        0.5,
        Float(0),
        "`icem`: standard deviation of the first candidates.",
    ),
    (
        "icem_decay",
        1.25,
        Float(1),
        "`icem`: factor by which every iteration has fewer candidates than "
        "the one before.",
    ),
    (
        "icem_keep",
        0.3,
        Float(0, 1),
        "`icem`: fraction of the best candidates that the next iteration "
        "tries again.",
    ),
    (
        "icem_momentum",
        0.1,
        Float(0, 1),
        "`icem`: part of the old mean and standard deviation that stays.",
    ),
)

LOGGING = grouped(
    "Logging",
    ("log_every", 100, Int(1), "Updates between lines of `metrics.jsonl`."),
)

REPEATING = grouped(
    "Repeatability",
    (
        "deterministic",
        False,
        Bool(),
        "Makes equal runs equal to the last bit on GPUs too, where operations "
        "may take several times as long, and keeps the number of CPU threads "
        "when a run is resumed elsewhere. On CPUs it costs nothing, and on the "
        "same machine nothing depends on it. See docs/resuming.md.",
    ),
)
