"""Episodes: recording them, storing them and reading them for training.

What records and stores (`collect`, `episodes`) imports no TensorFlow, since it
runs where environments run. Names are resolved when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["episodes"],
    submod_attrs={
        "collect": ["RecordEpisodes"],
        "episodes": [
            "BrokenEpisode",
            "clean_staged",
            "episode_name",
            "list_episodes",
            "load_episode",
            "publish",
            "save_episode",
        ],
    },
)
