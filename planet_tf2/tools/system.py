"""What has to be settled before TensorFlow and Keras are imported."""

import os
import sys


def prepare() -> None:
    """Chooses Keras' backend, and switches oneDNN on.

    Raises:
      SystemExit: This is Windows.
      ImportError: Keras was imported before, with another backend.
    """
    if os.name != "posix" or not hasattr(os, "EX_TEMPFAIL"):
        sys.exit(
            "Error: planet_tf2 runs on Linux and macOS, and not on Windows "
            "itself. There, install it in WSL 2 (wsl --install)."
        )
    # Whatever the user's keras.json says.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = sys.modules.get("keras")
    if keras and keras.config.backend() != "tensorflow":
        raise ImportError(
            f"Keras was imported with the backend {keras.config.backend()!r}, "
            "but planet_tf2 needs TensorFlow. Import planet_tf2 before keras."
        )
    # TensorFlow leaves oneDNN off on processors without instructions for small
    # integers, though it makes convolutions several times faster there too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
