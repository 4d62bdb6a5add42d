"""What the control suite has, written down.

To ask the suite itself means to import MuJoCo, and with it maybe OpenGL, into a
process that has TensorFlow. A test compares this table with the suite.
"""

_TASKS = {
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
    for domain, names in _TASKS.items()
    for task in names.split()
}

# Simulator steps per decision: those of the paper for its domains, and 2, which
# later work uses throughout, for the others.
ACTION_REPEATS = {
    "ball_in_cup": 4,
    "cartpole": 8,
    "cheetah": 4,
    "reacher": 4,
}
