"""Named sets of parameters, each a difference to `default`.

They can be combined, `--config dmc_vision,size_s`: the last one wins.
"""

from typing import Any


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

PRESETS: dict[str, dict[str, Any]] = {
    "default": {"tasks": ["dmc:walker_walk"], "action_repeat": 2},
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
        "steps": 400,
        "eval_every": 200,
        "eval_episode_num": 1,
        "log_every": 100,
        "time_limit": 100,
        "prefill": 60,
        "pretrain": 1,
        "train_ratio": 16,
        "batch_size": 4,
        "batch_length": 10,
        "dataset_size": 1000,
        "imag_horizon": 5,
        "image_size": 32,
        **_size(16, 16, 2, 1),
        "dyn_stoch": 4,
        "dyn_discrete": 4,
        "disag_models": 2,
        "disag_layers": 1,
        "disag_units": 16,
    },
    **_SIZES,
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
    "size_xs": "8M parameters.",
    "size_s": "18M parameters.",
    "size_m": "37M parameters.",
    "size_l": "77M parameters.",
    "size_xl": "200M parameters.",
}
