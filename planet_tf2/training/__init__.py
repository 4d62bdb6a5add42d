"""Training: losses, phases, runs and their folders."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "define_model": ["WorldModel"],
        "learner": ["Learner"],
        "run": ["ClaimLost", "Run"],
        "run_folder": ["RunFolder", "RunFolderError"],
        "running": ["Experiment"],
        "session": ["Session"],
        "signals": ["StopSignals", "Stopped"],
        "trainer": ["Trainer"],
    },
)
