"""One run on the machines of a Ray cluster, by Ray Train."""

import os
from collections.abc import Mapping
from typing import Any

from planet_tf2.tools import devices
from planet_tf2.train import train as train_here


def train(
    num_workers: int,
    logdir: str,
    config: str = "default",
    params_text: str = "",
    *,
    resources: Mapping[str, float] | None = None,
    use_gpu: bool = False,
    max_failures: int = 3,
    **options: Any,
) -> None:
    """Trains a run by several processes, which Ray starts where there is room.

    A process that is lost ends the others; Ray then starts all of them again,
    and they go on from the last checkpoint.

    Args:
      num_workers: processes that share each batch.
      logdir: folder of the experiment, the same on all machines.
      config, params_text: see `planet_tf2.train.train`.
      resources: what a process is to have, by Ray's names; a CPU by default.
      use_gpu: whether each gets a GPU.
      max_failures: how often to start again.
      **options: others of `planet_tf2.train.train`.

    Raises:
      ValueError: Ray is not installed.
      Exception: what the run failed with.
    """
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.tensorflow import TensorflowTrainer
    except ImportError as error:
        raise ValueError(
            f"Ray Train is not installed ({error}): pip install "
            "'planet_tf2[ray]'"
        ) from None
    # Of a minute, TensorFlow alone takes most on a busy machine.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    logdir = os.path.abspath(logdir)
    options |= {"logdir": logdir, "config": config, "params_text": params_text}
    TensorflowTrainer(
        _work,
        train_loop_config=options,
        scaling_config=ScalingConfig(
            num_workers=num_workers,
            use_gpu=use_gpu,
            resources_per_worker=dict(resources) if resources else None,
        ),
        run_config=RunConfig(
            name="train",
            storage_path=os.path.join(logdir, ".ray"),
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    ).fit()


def _work(options: dict[str, Any]) -> None:
    """Works in a process of Ray's, which has set TF_CONFIG."""
    devices.prepare()
    train_here(**options)
