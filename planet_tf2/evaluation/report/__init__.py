"""Reports on runs: one HTML file each that needs nothing else.

Nothing here imports TensorFlow, so that a report is a matter of seconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"report": ["make_report"]}
)
