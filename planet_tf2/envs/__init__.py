"""Environments with Gymnasium's interface, and processes to run them in.

Nothing here imports TensorFlow, and importing this package imports none of its
modules: a program that only names an environment does not load MuJoCo, which
matters because TensorFlow and software OpenGL must not share a process.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "actions": [
            "DISCRETE",
            "pad_actions",
            "stored_actions",
            "vector_actions",
        ],
        "async_env": ["Async"],
        "batch_env": ["BatchEnv"],
        "batch_simulator": ["BatchSimulator"],
        "calls": ["adapt"],
        "custom_env": ["check_single", "make_custom"],
        "dm_control_env": ["DmEnv", "load_suite", "make_suite"],
        "dummy_env": ["DummyEnv"],
        "errors": [
            "EnvCrash",
            "EnvError",
            "EnvTimeout",
            "InterfaceError",
            "check_camera",
        ],
        "gymnasium_env": [
            "ClassicGym",
            "make_classic_gym",
            "make_gymnasium",
            "plugins",
        ],
        "interface": ["CheckedInterface", "episode_limit"],
        "rendering": [
            "Backend",
            "RenderingError",
            "check_isolation",
            "choose_backend",
            "forbid_rendering",
        ],
        "wrappers": [
            "ActionRepeat",
            "Duration",
            "ImageObservation",
            "check_finite",
        ],
    },
)
