"""Systems and settings of Keras that differ from the usual ones."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

PROGRAM = """
import keras, tensorflow as tf
from planet_tf2.nets.optimizers import Optimizer
from planet_tf2.tools import devices
devices.make_deterministic()
weight = keras.Variable([1.0], dtype="float32")
optimizer = Optimizer([weight], 1e-3)
optimizer.apply([tf.constant([1.0])])
print(keras.config.backend(), keras.config.floatx(), weight.numpy()[0])
print(sorted({v.dtype for v in optimizer._adam.variables}))
"""


def run(*command, before="", folder, **environ):
    """Runs Python after some code, as if the system had come with it."""
    (folder / "sitecustomize.py").write_text(before)
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "settings, backend",
    [
        ({"floatx": "float16", "epsilon": 1.0}, "jax"),
        ({"backend": "torch", "image_data_format": "channels_first"}, ""),
    ],
)
def test_systems_and_settings_do_not_matter(tmp_path, settings, backend):
    """On macOS, `os` has fewer names; Keras reads a file of the user."""
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = run(
        "-c",
        f"import planet_tf2\n{PROGRAM}",
        before="import os; del os.sched_getaffinity, os.memfd_create",
        folder=tmp_path,
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND=backend,
    )
    assert done.returncode == 0, done.stderr
    first, types = done.stdout.splitlines()
    assert first == f"tensorflow {settings.get('floatx', 'float32')} 0.9990032"
    assert types == "['float32', 'int64']"


def test_keras_with_another_backend_before(tmp_path):
    code = (
        "import sys, types; keras = types.ModuleType('keras'); "
        "keras.config = types.SimpleNamespace(backend=lambda: 'torch'); "
        "sys.modules['keras'] = keras; import planet_tf2"
    )
    done = run("-c", code, folder=tmp_path)
    assert "Import planet_tf2 before keras" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("script", ["train", "status", "doctor", "evaluate"])
def test_windows(tmp_path, script):
    before = (
        "import os\n"
        "for name in [n for n in vars(os) if n.startswith('EX_')]:\n"
        "    delattr(os, name)\n"
        "del os.killpg, os.setsid, os.sched_getaffinity\n"
    )
    script = str(ROOT / "scripts" / f"{script}.py")
    done = run(script, "--help", before=before, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: planet_tf2 runs on Linux and macOS")
    assert done.stderr.count("\n") == 1 and not done.stdout
