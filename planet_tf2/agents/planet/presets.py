"""Named sets of parameters, each a difference to the defaults."""

from typing import Any

# What two CPU cores can do. docs/results.md says what each of these brings.
_SMALL: dict[str, Any] = {
    "tasks": ["cartpole_balance"],
    # A quarter of the pixels: what matters is still plain to see.
    "image_size": 32,
    "image_supersampling": 4,
    # Most of a frame's time goes into shadows; these look the same.
    "shadow_size": 512,
    # Thin things weigh little: at less than this the model sees the cart, but
    # not where its pole points.
    "image_loss_scale": 50.0,
    "batch_shape": [16, 20],
    "loader_every": 480,
    "cnn_depth": 16,
    "model_size": 100,
    "num_layers": 2,
    "num_units": 100,
    # Below the free nats the prior learns nothing, and a small model that has
    # seen little stays there for long.
    "free_nats": 1.0,
    # Fast at first; what it knows becomes precise only as this falls.
    "main_learning_rate": 3e-3,
    "main_learning_rate_schedule": "exponential",
    "main_learning_rate_final": 0.05,
    "num_seed_episodes": 10,
    "test_steps": 80,
    "collect_every": 2000,
    # Simulator and planner leave cores idle, and so do updates of this size.
    "collect_ahead": True,
    "planner_horizon": 16,
    "planner_amount": 150,
    "planner_topk": 15,
    "planner_iterations": 4,
    "log_every": 100,
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "debug": {
        "action_repeat": 50,
        "num_seed_episodes": 1,
        "train_steps": 10,
        "test_steps": 10,
        "max_steps": 500,
        "train_collects": [{"after": 10, "every": 10}],
        "test_collects": [{"after": 10, "every": 10}],
        "model_size": 10,
        "state_size": 5,
        "num_layers": 1,
        "num_units": 10,
        "batch_shape": [5, 10],
        "loader_every": 5,
        # More than it collects by itself. When it goes on for longer, as tests
        # let it, whatever grows is a leak.
        "loader_max_episodes": 30,
        "planner_amount": 5,
        "planner_topk": 2,
        "planner_iterations": 2,
        "log_every": 1,
    },
    "quickstart": {
        **_SMALL,
        "main_learning_rate_decay_updates": 45_000,
        "train_steps": 8000,
        "max_steps": 161_600,
    },
    "cpu": {
        **_SMALL,
        # Its end: 75,000 updates, and 610 episodes.
        "main_learning_rate_decay_updates": 75_000,
        "train_steps": 16_000,
        "max_steps": 1_206_000,
    },
}


PRESET_HELP = {
    "default": "The settings of the authors' program, close to the paper's.",
    "debug": "Everything tiny, to see within minutes whether all parts work "
    "together.",
    "quickstart": "The beginning of `cpu`: ten minutes on two CPU cores.",
    "cpu": "Learns to balance a pole in an hour and a half on two CPU cores.",
}
