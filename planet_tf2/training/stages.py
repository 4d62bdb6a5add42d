"""What happens in a step of a phase. See `Trainer` for the order."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.data import episodes
from planet_tf2.tools import seeds
from planet_tf2.tools.guard import Guard
from planet_tf2.tools.streaming_mean import StreamingMean
from planet_tf2.training.batches import Batches
from planet_tf2.training.collecting import TIMES, Collector
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.finite import check_finite, check_return
from planet_tf2.training.trainer import Outcome, Step

# Tell the random numbers of different uses apart.
_UPDATE, _COLLECT, _PREDICT = 1, 2, 3
_SPLIT_NUMBERS = {"train": 1, "test": 2}


@dataclasses.dataclass
class Context:
    """What the stages of a run share.

    Attributes:
      seed: the run's seed.
      agent: what is trained.
      log: metrics and episodes of the run.
      batches: knows the batch of every step.
      summaries: writes event files.
      progress: shows what is going on.
      guard: shows others how far the run is.
    """

    seed: int
    agent: Agent
    log: EpisodeLog
    batches: Batches
    summaries: Any
    progress: Any
    guard: Guard

    def seed_for(self, use: int, step: Step) -> tuple[int, ...]:
        """Numbers that only this use in this step has."""
        return (self.seed, use, _SPLIT_NUMBERS[step.phase], step.phase_step)


@dataclasses.dataclass(frozen=True)
class LossStage:
    """Computes the losses of a batch, with or without a gradient step.

    Attributes:
      context: what the stages share.
      compute: maps a batch and a seed to scalars by name.
      mean: averages the scalars between two lines of the log.
      log_every: batches between two lines; by default one line is about all
        batches of a phase in an epoch.
    """

    context: Context
    compute: Callable[..., dict[str, tf.Tensor]]
    mean: StreamingMean
    log_every: int | None = None

    def __call__(self, step: Step) -> None:
        context, progress = self.context, self.context.progress
        batch = context.batches.of(step)
        seed = seeds.derive(*context.seed_for(_UPDATE, step))
        values = self.compute(batch, seed)
        values = {name: float(value) for name, value in values.items()}
        check_finite(self._metrics(values), step, batch)
        self.mean.submit(values)
        losses = {name: values[name] for name in context.agent.loss_names}
        progress.update(step.phase, step.end, losses)
        context.guard.show(
            step=step.end,
            updates_per_second=progress.updates_per_second,
            seconds_left=progress.seconds_left,
        )
        due = step.is_last
        if self.log_every is not None:
            due = (step.update + 1) % self.log_every == 0
        if due:
            self._write(step, self._metrics(self.mean.clear()))

    def _metrics(self, values: dict[str, float]) -> dict[str, float]:
        """Names values as in `metrics.jsonl`."""
        losses = self.context.agent.loss_names
        return {
            f"{name}_loss" if name in losses else name: value
            for name, value in values.items()
        }

    def _write(self, step: Step, metrics: dict[str, float]) -> None:
        context = self.context
        speed = context.progress.updates_per_second
        context.log.write(
            {
                "phase": step.phase,
                "step": step.end,
                "update": step.update + 1,
                **metrics,
                "updates_per_second": speed,
            }
        )
        scalars = {f"general/{name}": x for name, x in metrics.items()}
        scalars["trainer/global_step"] = step.end
        scalars["trainer/epoch"] = step.epoch
        if step.phase == "train":
            scalars["trainer/updates_per_second"] = speed
        context.summaries.scalars(step.phase, step.summary_step, scalars)


@dataclasses.dataclass(frozen=True)
class PredictionStage:
    """Shows what the agent predicts, if it does, once per epoch.

    Attributes:
      context: what the stages share.
      gif_path: where to leave the latest open-loop animation as a file too.
    """

    context: Context
    gif_path: pathlib.Path | None = None

    def __call__(self, step: Step) -> None:
        if not step.is_last:
            return
        context, place = self.context, (step.phase, step.summary_step)
        context.summaries.scalars(
            *place, {"general/dataset_episodes": context.log.count(step.phase)}
        )
        if not context.agent.has_model:
            return
        batch = context.batches.of(step)
        seed = seeds.derive(*context.seed_for(_PREDICT, step))
        context.summaries.predictions(*place, batch, seed, self.gif_path)


@dataclasses.dataclass(frozen=True)
class CollectStage:
    """Collects episodes to learn from where a schedule says so.

    Attributes:
      context: what the stages share.
      collector: what to collect, and when.
    """

    context: Context
    collector: Collector

    def __call__(self, step: Step) -> Outcome | None:
        if not self.collector.due(step):
            return None
        noise = self.collector.noise_at(step)
        _collect(self.context, self.collector, step, noise)
        return Outcome()


@dataclasses.dataclass(frozen=True)
class ScoreStage:
    """Collects episodes without noise at the end of each test phase.

    Attributes:
      context: what the stages share.
      collector: what to collect.
      returns: variable `[N]` for the mean return of every test collector.
      position: this collector's place in `returns`.
      gif_path: where to leave the animation of the latest episode.
    """

    context: Context
    collector: Collector
    returns: tf.Variable
    position: int
    gif_path: pathlib.Path | None = None

    def __call__(self, step: Step) -> Outcome | None:
        if not step.is_last:
            return None
        summaries, place = self.context.summaries, step.summary_step
        mean, path = _collect(self.context, self.collector, step, 0.0)
        episode = episodes.load_episode(path)
        summaries.episode(
            step.phase,
            place,
            self.collector.tag,
            episode.get("image"),
            self.gif_path,
            # The first entries belong to the reset.
            histograms={k: episode[k][1:] for k in ("action", "reward")},
        )
        values = self.returns.numpy()
        values[self.position] = mean
        self.returns.assign(values)
        if self.position < len(values) - 1:
            return Outcome()
        score = float(values.mean())
        summaries.scalars(step.phase, place, {"trainer/score": score})
        return Outcome(score=score)


def end_of_phase(step: Step) -> Outcome | None:
    """Has the phase kept, where nothing is collected at its end."""
    return Outcome() if step.is_last else None


def _collect(
    context: Context, collector: Collector, step: Step, action_noise: float
) -> tuple[float, pathlib.Path]:
    """Collects one episode per environment, stores and reports them.

    Returns:
      The mean of the returns, and the file of the last episode.
    """
    context.progress.activity(f"collecting {collector.task}")
    seed = context.seed_for(_COLLECT, step)
    results = collector.collect(seed, action_noise)
    for result in results:
        check_return(collector.task, result)
    for result in results:
        path = context.log.add(
            step.phase,
            collector.task,
            result,
            phase=step.phase,
            step=step.end,
            update=step.update + 1,
            collect=collector.name,
            action_noise=action_noise,
            **{name: result[name] for name in TIMES if name in result},
        )
    mean = sum(result["return"] for result in results) / len(results)
    context.progress.collected(step.phase, collector.task, mean)
    scalars = {
        f"{collector.tag}/return": mean,
        f"{collector.tag}/length": results[0]["length"],
        f"{collector.tag}/action_noise": action_noise,
        "trainer/env_step": context.log.env_step,
        "trainer/episodes": context.log.count(step.phase),
    }
    context.summaries.scalars(step.phase, step.summary_step, scalars)
    return mean, path
