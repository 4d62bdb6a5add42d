"""Named sets of parameters, each a difference to `default`.

They can be combined, `--config dmc_vision,size_s`: the last one wins. Those of
edition 2025 are `size1m` to `size400m` and what ends in `_2025`.
"""

from typing import Any

from planet_tf2.agents.dreamer import editions


def _size(deter: int, units: int, depth: int, layers: int) -> dict[str, Any]:
    """Returns a size of the paper (table B.1)."""
    coder = {"cnn_depth": depth, "mlp_layers": layers, "mlp_units": units}
    depth_of = {"layers": layers}
    return {
        "dyn_deter": deter,
        "dyn_hidden": units,
        "units": units,
        "encoder": coder,
        "decoder": coder,
        "actor": depth_of,
        "critic": depth_of,
        "reward_head": depth_of,
        "cont_head": depth_of,
    }


_SIZES = {
    "size_xs": _size(256, 256, 24, 1),
    "size_s": _size(512, 512, 32, 2),
    "size_m": _size(1024, 640, 48, 3),
    "size_l": _size(2048, 768, 64, 4),
    "size_xl": _size(4096, 1024, 96, 5),
}

_VECTORS = {"mlp_keys": ".*", "cnn_keys": "$^"}
_MINECRAFT = "inventory|inventory_max|equipped|health|hunger|breath"

_DEBUG = {
    "steps": 400,
    "eval_every": 200,
    "eval_episode_num": 1,
    "log_every": 100,
    "time_limit": 100,
    "train_ratio": 16,
    "batch_size": 4,
    "batch_length": 10,
    "dataset_size": 1000,
    "imag_horizon": 5,
    "image_size": 32,
    **_size(16, 16, 2, 1),
    "dyn_stoch": 4,
    "dyn_discrete": 4,
}
# What two CPU cores can do: docs/dreamer.md says what each of these brings.
_CODER = {**_VECTORS, "mlp_layers": 2, "mlp_units": 64, "cnn_depth": 8}
_SHORT: dict[str, Any] = {
    "tasks": ["cartpole_balance"],
    "action_repeat": None,
    "eval_every": 50_000,
    "eval_episode_num": 4,
    "log_every": 4000,
    "video_pred_log": False,
    # Decisions are cheap beside updates of this size, so there are many.
    "envs": 4,
    "train_ratio": 64,
    "batch_length": 16,
    "imag_horizon": 10,
    "discount": 0.97,
}
_SMALL: dict[str, Any] = {
    **_SHORT,
    "prefill": 1000,
    "units": 64,
    "dyn_hidden": 64,
    "dyn_deter": 64,
    "dyn_stoch": 8,
    "dyn_discrete": 16,
    # A tenth, or states hold too little to act precisely by.
    "dyn_scale": 0.05,
    "rep_scale": 0.01,
    "encoder": _CODER,
    "decoder": _CODER,
    "reward_head": {"layers": 1},
    "cont_head": {"layers": 1},
    # Small networks want larger steps, and none that a larger epsilon shrinks.
    "model_lr": 1e-3,
    "actor": {"lr": 1e-4, "eps": 1e-8, "entropy": 1e-3},
    "critic": {"lr": 1e-3, "eps": 1e-8},
}
_NEW = {"edition": 2025}
# Sizes of 2025: units, and parameters with images and six actions.
_UNITS = {
    "size1m": (64, "0.69M"),
    "size12m": (256, "10.5M"),
    "size25m": (384, "23.5M"),
    "size50m": (512, "41.7M"),
    "size100m": (768, "93.5M"),
    "size200m": (1024, "166M"),
    "size400m": (1536, "373M"),
}
_SIZES_2025 = {
    name: {**_NEW, **editions.size(units)}
    for name, (units, _) in _UNITS.items()
}
_IMAGES = {"mlp_keys": "$^", "cnn_keys": "image"}
_MINECRAFT_2025 = {"mlp_keys": _MINECRAFT, "cnn_keys": "image"}
_DEBUG_CODER = {**_DEBUG["encoder"], "mults": [2, 3, 4]}

# Steps are of the simulator: those of the authors times the action repeat.
_SUITES_2025: dict[str, dict[str, Any]] = {
    "dmc_proprio_2025": {
        **_SIZES_2025["size1m"],
        "steps": 1_100_000,
        "train_ratio": 1024,
        "video_pred_log": False,
        "encoder": {**_SIZES_2025["size1m"]["encoder"], **_VECTORS},
        "decoder": {**_SIZES_2025["size1m"]["decoder"], **_VECTORS},
    },
    "dmc_vision_2025": {
        **_NEW,
        "steps": 1_100_000,
        "train_ratio": 256,
        "encoder": _IMAGES,
        "decoder": _IMAGES,
    },
    "atari_2025": {
        **_NEW,
        "tasks": ["atari:pong"],
        "steps": 204_000_000,
        "eval_every": 1_000_000,
        "action_repeat": 4,
        "time_limit": 108_000,
        "image_size": 96,
        "grayscale": True,
        "atari": {
            "sticky": True,
            "lives": "unused",
            "noops": 31,
            "resize": "bilinear",
            "actions": "all",
            "limit_is_end": True,
        },
    },
    "atari100k_2025": {
        **_NEW,
        "tasks": ["atari:pong"],
        "steps": 440_000,
        "envs": 1,
        "train_ratio": 256,
        "action_repeat": 4,
        "eval_episode_num": 100,
        "time_limit": 108_000,
        "atari": {
            "sticky": False,
            "lives": "unused",
            "noops": 31,
            "resize": "bilinear",
            "actions": "needed",
            "limit_is_end": True,
        },
    },
    "crafter_2025": {
        **_NEW,
        "tasks": ["crafter:reward"],
        "steps": 1_100_000,
        "envs": 1,
        "train_ratio": 512,
    },
    "minecraft_2025": {
        **_NEW,
        "tasks": ["minecraft:diamond"],
        "steps": 100_000_000,
        "eval_episode_num": 0,
        "time_limit": 36_000,
        "minecraft": {"break_speed": 100},
        "encoder": _MINECRAFT_2025,
        "decoder": _MINECRAFT_2025,
    },
    "cpu_2025": {
        **_SHORT,
        **_SIZES_2025["size1m"],
        "encoder": {**_SIZES_2025["size1m"]["encoder"], **_VECTORS},
        "decoder": {**_SIZES_2025["size1m"]["decoder"], **_VECTORS},
        "imag_last": 8,
        "dyn_scale": 0.1,
        "rep_scale": 0.01,
        "model_lr": 3e-4,
    },
    "debug_2025": {
        **_DEBUG,
        **_NEW,
        "envs": 1,
        "encoder": _DEBUG_CODER,
        "decoder": _DEBUG_CODER,
    },
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {"tasks": ["dmc:walker_walk"]},
    "dmc_proprio": {
        "steps": 500_000,
        "envs": 4,
        "video_pred_log": False,
        "encoder": _VECTORS,
        "decoder": _VECTORS,
    },
    "dmc_vision": {"envs": 4},
    "atari100k": {
        "tasks": ["atari:pong"],
        "steps": 400_000,
        "action_repeat": 4,
        "train_ratio": 1024,
        "eval_episode_num": 100,
        "time_limit": 108_000,
        "atari": {
            "sticky": False,
            "lives": "unused",
            "noops": 30,
            "resize": "opencv",
            "actions": "needed",
        },
    },
    "crafter": {
        "tasks": ["crafter:reward"],
        "steps": 1_000_000,
        "action_repeat": 1,
        **_SIZES["size_xl"],
    },
    "minecraft": {
        "tasks": ["minecraft:diamond"],
        "steps": 100_000_000,
        "action_repeat": 1,
        "envs": 16,
        "eval_episode_num": 0,
        "train_ratio": 16,
        "time_limit": 36_000,
        "minecraft": {"break_speed": 100},
        **_SIZES["size_xl"],
        "encoder": {
            **_SIZES["size_xl"]["encoder"],
            "mlp_keys": f"{_MINECRAFT}|obs_reward",
        },
        "decoder": {**_SIZES["size_xl"]["decoder"], "mlp_keys": _MINECRAFT},
    },
    "memorymaze": {
        "tasks": ["memorymaze:9x9"],
        "steps": 100_000_000,
        # The 2 of dreamerv3-torch is counted there, but never applied.
        "action_repeat": 1,
    },
    "debug": {
        **_DEBUG,
        "prefill": 60,
        "pretrain": 1,
        "disag_models": 2,
        "disag_layers": 1,
        "disag_units": 16,
    },
    "quickstart": {**_SMALL, "steps": 320_000, "eval_every": 80_000},
    "cpu": _SMALL,
    "images": {
        "encoder": _IMAGES,
        "decoder": _IMAGES,
        "video_pred_log": True,
        "image_size": 32,
        "image_supersampling": 4,
        "shadow_size": 512,
    },
    **_SIZES,
    **_SUITES_2025,
    **_SIZES_2025,
}

PRESET_HELP = {
    "default": "The settings of dreamerv3-torch. Always the first, also below "
    "other presets.",
    "dmc_proprio": "The control suite from vectors.",
    "dmc_vision": "The control suite from images.",
    "atari100k": "Atari games, 400,000 steps of the simulator.",
    "crafter": "Crafter, at size XL.",
    "minecraft": "A diamond in Minecraft, at size XL.",
    "memorymaze": "Memory Maze.",
    "debug": "Everything tiny, to see within seconds whether all parts work "
    "together.",
    "quickstart": "The beginning of `cpu`: ten minutes on two CPU cores.",
    "cpu": "Everything small, from vectors, for two CPU cores.",
    "images": "For `--config cpu,images`: small images in place of vectors.",
    "size_xs": "8M parameters.",
    "size_s": "18M parameters.",
    "size_m": "37M parameters.",
    "size_l": "77M parameters.",
    "size_xl": "200M parameters.",
    "dmc_proprio_2025": "The control suite from vectors, at size 1M.",
    "dmc_vision_2025": "The control suite from images.",
    "atari_2025": "Atari games, 200,000,000 steps of the simulator.",
    "atari100k_2025": "Atari games, 400,000 steps of the simulator.",
    "crafter_2025": "Crafter.",
    "minecraft_2025": "A diamond in Minecraft.",
    "cpu_2025": "As cpu, of edition 2025, at size 1M.",
    "debug_2025": "As debug, of edition 2025.",
    **{
        name: f"{number} parameters, edition 2025."
        for name, (_, number) in _UNITS.items()
    },
}
