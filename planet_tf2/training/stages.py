"""What happens in a step of a phase. See `Trainer` for the order."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.data import episodes
from planet_tf2.tools import seeds
from planet_tf2.tools.guard import Guard
from planet_tf2.tools.streaming_mean import StreamingMean
from planet_tf2.training.batches import Batches
from planet_tf2.training.collecting import TIMES, Collector
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.finite import (
    NonFiniteError,
    check_finite,
    check_return,
    is_norm,
)
from planet_tf2.training.trainer import Outcome, Step

__all__ = [
    "CollectStage",
    "Context",
    "LossStage",
    "NonFiniteError",
    "PredictionStage",
    "TestCollectStage",
    "check_finite",
    "collect",
]

# Tell the random numbers of different uses apart.
_UPDATE, _COLLECT, _PREDICT = 1, 2, 3
_SPLIT_NUMBERS = {"train": 1, "test": 2}


@dataclasses.dataclass
class Context:
    """What the stages of a run share.

    Attributes:
      seed: the run's seed.
      log: metrics and episodes of the run.
      summaries: writes event files.
      progress: shows what is going on.
      batches: knows the batch of every step.
      guard: shows others how far the run is.
    """

    seed: int
    log: EpisodeLog
    summaries: Any
    progress: Any
    batches: Batches
    guard: Guard

    def seed_for(self, use: int, step: Step) -> tuple[int, ...]:
        """Numbers that only this use in this step has."""
        return (self.seed, use, _SPLIT_NUMBERS[step.phase], step.phase_step)


class LossStage:
    """Computes the losses of a batch, with or without a gradient step.

    Args:
      context: what the stages share.
      compute: maps a batch and a seed to scalars by name.
      mean: averages the scalars between two lines of the log.
      log_every: batches between two lines; the last batch of an epoch's test
        phase always ends one.
    """

    def __init__(
        self,
        context: Context,
        compute: Callable[..., dict[str, tf.Tensor]],
        mean: StreamingMean,
        log_every: int | None = None,
    ):
        self._context = context
        self._compute = compute
        self._mean = mean
        self._log_every = log_every

    def __call__(self, step: Step) -> None:
        context = self._context
        batch = context.batches.of(step)
        seed = seeds.derive(*context.seed_for(_UPDATE, step))
        values = self._compute(batch, seed)
        values = {name: float(value) for name, value in values.items()}
        check_finite(values, step, batch)
        self._mean.submit(values)
        reached = step.global_step + step.batch_size
        context.progress.update(step.phase, reached, values)
        context.guard.show(
            step=reached,
            updates_per_second=context.progress.updates_per_second,
            seconds_left=context.progress.seconds_left,
        )
        if self._is_due(step):
            self._write(step, self._mean.clear())

    def _is_due(self, step: Step) -> bool:
        if self._log_every is None:
            return step.is_last
        return (step.update + 1) % self._log_every == 0

    def _write(self, step: Step, means: dict[str, float]) -> None:
        context = self._context
        speed = context.progress.updates_per_second
        context.log.write(
            {
                "phase": step.phase,
                "step": step.global_step + step.batch_size,
                "update": step.update + 1,
                **{_metric(name): value for name, value in means.items()},
                "updates_per_second": speed,
            }
        )
        scalars = {f"general/{_metric(k)}": v for k, v in means.items()}
        scalars["trainer/global_step"] = step.global_step + step.batch_size
        scalars["trainer/epoch"] = step.epoch
        if step.phase == "train":
            scalars["trainer/updates_per_second"] = speed
        context.summaries.scalars(step.phase, step.summary_step, scalars)


class PredictionStage:
    """Shows what the model predicts, once per epoch.

    Args:
      context: what the stages share.
      gif_path: where to leave the latest open-loop animation as a file too.
    """

    def __init__(self, context: Context, gif_path: Any = None):
        self._context = context
        self._gif_path = gif_path

    def __call__(self, step: Step) -> None:
        context = self._context
        if not step.is_last:
            return
        seed = seeds.derive(*context.seed_for(_PREDICT, step))
        episodes_in_folder = {
            "general/dataset_episodes": context.log.count(step.phase)
        }
        context.summaries.scalars(
            step.phase, step.summary_step, episodes_in_folder
        )
        context.summaries.predictions(
            step.phase,
            step.summary_step,
            context.batches.of(step),
            seed,
            self._gif_path,
        )


class CollectStage:
    """Collects episodes where a training schedule says so.

    Args:
      context: what the stages share.
      collector: what to collect, and when.
    """

    def __init__(self, context: Context, collector: Collector):
        self._context = context
        self._collector = collector

    def __call__(self, step: Step) -> Outcome | None:
        if not self._collector.due(step):
            return None
        noise = self._collector.noise_at(step)
        collect(self._context, self._collector, step, noise)
        return Outcome()


class TestCollectStage:
    """Collects noise-free episodes at the end of each test phase.

    Args:
      context: what the stages share.
      collector: what to collect.
      returns: variable `[N]` for the mean return of every test collector.
      position: this collector's place in `returns`.
      gif_path: where to leave the animation of the latest episode.
    """

    __test__ = False  # Not a test, whatever pytest thinks of the name.

    def __init__(
        self,
        context: Context,
        collector: Collector,
        returns: tf.Variable,
        position: int,
        gif_path: Any = None,
    ):
        self._context = context
        self._collector = collector
        self._returns = returns
        self._position = position
        self._gif_path = gif_path

    def __call__(self, step: Step) -> Outcome | None:
        if not step.is_last:
            return None
        results = collect(
            self._context, self._collector, step, 0.0, self._gif_path
        )
        values = self._returns.numpy()
        values[self._position] = sum(results) / len(results)
        self._returns.assign(values)
        if self._position < len(values) - 1:
            return Outcome()
        score = float(values.mean())
        self._context.summaries.scalars(
            step.phase, step.summary_step, {"trainer/score": score}
        )
        return Outcome(score=score)


def end_of_phase(step: Step) -> Outcome | None:
    """Has the phase kept, where nothing is collected at its end."""
    return Outcome() if step.is_last else None


def collect(
    context: Context,
    collector: Collector,
    step: Step,
    action_noise: float,
    gif_path: Any = None,
) -> list[float]:
    """Collects one episode per environment, stores and reports them.

    Returns:
      The returns of the episodes.
    """
    seed = context.seed_for(_COLLECT, step)
    context.progress.activity(f"collecting {collector.task}")
    results = collector.collect(seed, action_noise)
    for result in results:
        check_return(collector.task, result)
    for result in results:
        path = context.log.add(
            step.phase,
            collector.task,
            result,
            phase=step.phase,
            step=step.global_step + step.batch_size,
            update=step.update + 1,
            collect=collector.name,
            action_noise=action_noise,
            **{name: result[name] for name in TIMES if name in result},
        )
    score = [result["return"] for result in results]
    mean = sum(score) / len(score)
    context.progress.collected(step.phase, collector.task, mean)
    group = f"simulation/{collector.task}/{collector.name}"
    scalars = {
        f"{group}/return": mean,
        f"{group}/length": results[0]["length"],
        f"{group}/action_noise": action_noise,
        "trainer/env_step": context.log.env_step,
        "trainer/episodes": context.log.count(step.phase),
    }
    context.summaries.scalars(step.phase, step.summary_step, scalars)
    if step.phase == "test":
        episode = episodes.load_episode(path)
        context.summaries.episode(
            step.phase,
            step.summary_step,
            group,
            episode["image"],
            gif_path,
            # The first entries belong to the reset.
            histograms={k: episode[k][1:] for k in ("action", "reward")},
        )
    return score


def _metric(name: str) -> str:
    return name if is_norm(name) else f"{name}_loss"
