"""DreamerV3: learns a world model, and to act in what that imagines."""

import lazy_loader

# All that environments offer; `encoder` and `decoder` choose from it. Actions
# are those of the environments.
OBSERVATIONS = None
VECTOR_ACTIONS = False

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agent": [
            "Dreamer",
            "check_interface",
            "check_settings",
            "make_agent",
        ],
        "loss_table": ["LOSSES"],
        "parameters": ["Parameters", "environment_arguments", "schedule"],
        "presets": ["PRESETS", "PRESET_HELP"],
    },
)
