"""What the package asks of TensorFlow, and the devices it finds."""

import concurrent.futures
import os
import platform
import subprocess
import sys

import pytest
import tensorflow as tf

from planet_tf2.tools import devices

SETTING = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize("given, seen", [(None, "1"), ("0", "0"), ("1", "1")])
def test_asks_for_onednn_unless_told_otherwise(given, seen):
    environ = {k: v for k, v in os.environ.items() if k != SETTING}
    if given is not None:
        environ[SETTING] = given
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, planet_tf2; print(os.environ[{SETTING!r}])",
        ],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == seen


def test_too_few_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(ValueError, match="num_gpus' is 2.*finds 0.*Lower"):
        devices.check_gpus(2)


@pytest.mark.slow
@pytest.mark.skipif(
    platform.machine() != "x86_64" or tf.config.list_physical_devices("GPU"),
    reason="elsewhere there may be no oneDNN, or cuDNN beside it",
)
@pytest.mark.parametrize("setting", ["0", "1"])
def test_sees_whether_onednn_is_on(setting):
    program = "from planet_tf2.tools import devices as d;"
    result = subprocess.run(
        [sys.executable, "-c", program + "print(d.has_convolution_library())"],
        env={**os.environ, SETTING: setting},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(setting == "1")


def test_one_chain_beside_others():
    start = devices.work_beside_others
    with concurrent.futures.ThreadPoolExecutor(1, initializer=start) as thread:
        assert thread.submit(devices.chains).result() == 1
    assert devices.chains() == 1 + (not devices.has_gpu())
