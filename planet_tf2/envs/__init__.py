"""Environments with Gymnasium's interface, and processes to run them in.

Nothing here imports TensorFlow, and importing this package imports none of its
modules: a program that only names an environment does not load MuJoCo, which
matters because TensorFlow and software OpenGL must not share a process.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "async_env": ["Async", "EnvCrash", "EnvError"],
        "batch_env": ["BatchEnv"],
        "batch_simulator": ["BatchSimulator"],
        "dm_control_env": ["DMControl"],
        "dummy_env": ["DummyEnv"],
        "observations": [
            "ConcatObservations",
            "ObservationDict",
            "PixelObservations",
            "SelectObservations",
        ],
        "rendering": [
            "Backend",
            "RenderingError",
            "check_isolation",
            "choose_backend",
            "forbid_rendering",
        ],
        "wrappers": [
            "ActionRepeat",
            "ConvertTo32Bit",
            "MaximumDuration",
            "MinimumDuration",
            "NormalizeActions",
            "PadActions",
        ],
    },
)
