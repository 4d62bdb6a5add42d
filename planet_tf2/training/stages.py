"""What happens in a step of a phase. See `Trainer` for the order."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.data import episodes
from planet_tf2.tools import seeds
from planet_tf2.tools.same_graph import SameGraph
from planet_tf2.tools.signals import Guard
from planet_tf2.tools.streaming_mean import StreamingMean
from planet_tf2.training.ahead import Ahead
from planet_tf2.training.apart import Apart
from planet_tf2.training.batches import Batch, Batches
from planet_tf2.training.cluster_run import Lead
from planet_tf2.training.collecting import Collector, retry
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.finite import check_finite, check_return
from planet_tf2.training.replay_batches import ReplayBatches
from planet_tf2.training.step_parts import StepParts
from planet_tf2.training.trainer import Outcome, Step

# Tell the random numbers of different uses apart.
_UPDATE, _COLLECT, _PREDICT = 1, 2, 3
_SPLIT_NUMBERS = {"train": 1, "test": 2}


@dataclasses.dataclass
class Parts:
    """What a configuration is made of, ready to use.

    Attributes:
      agent: what is trained.
      collectors: what to collect while training and testing, by split.
      seed_envs: recording environments for the seed episodes, by task.
      make_batches: makes the batches of a split, endlessly; see `Batches`.
      summaries, progress: show what is going on, in event files and at once.
      close: ends the environments.
      retry: `retry`, with what to do when an environment breaks.
      ahead: plays what is collected while training, if updates go on meanwhile.
      steps: what there is besides if the agent is trained by steps.
      apart: hands out what other processes play, if any do.
      lead: tells other processes what to compute, if there are any.
    """

    agent: Agent
    collectors: Mapping[str, Sequence[Collector]]
    seed_envs: Mapping[str, Any]
    make_batches: Callable[..., Iterable[Batch]]
    summaries: Any
    progress: Any
    close: Callable[[], None]
    retry: Callable[..., Any] = retry
    ahead: Ahead | None = None
    steps: StepParts | None = None
    lead: Lead | None = None
    apart: Apart | None = None

    def hand_out(self, first: Mapping[str, int]) -> None:
        """Gives other processes the weights; see `Lead.start`."""
        if self.lead:
            self.lead.start(self.agent, first)


@dataclasses.dataclass
class Context:
    """What the stages of a run share.

    Attributes:
      parts, params, seed, guard: see `Session`.
      log: where episodes and losses go.
      batches: what to learn from.
      means: average the scalars between two lines of the log, by phase.
      returns: variable `[N]` for the mean return of every test collector.
    """

    parts: Parts
    params: Mapping[str, Any]
    seed: int
    log: EpisodeLog
    batches: Batches | ReplayBatches
    means: Mapping[str, StreamingMean]
    returns: tf.Variable
    guard: Guard

    @functools.cached_property
    def compute(self) -> dict[str, Callable[..., Any]]:
        """Computes the losses of a batch, by phase."""
        agent = self.parts.agent
        steps = {"train": agent.train_step, "test": agent.test_step}
        return {phase: SameGraph(step) for phase, step in steps.items()}

    @property
    def log_every(self) -> int:
        """Updates between two lines of the log."""
        steps = self.parts.steps
        return steps.schedule.log_updates if steps else self.params["log_every"]

    def seed_for(self, use: int, step: Step) -> tuple[int, ...]:
        """Numbers that only this use in this step has."""
        return (self.seed, use, _SPLIT_NUMBERS[step.phase], step.phase_step)


def checkpoint_distance(params: Mapping[str, Any], parts: Parts) -> int:
    """Turns `checkpoint_every`, in steps of test phases, to global steps."""
    size = params["batch_shape"][0]
    if parts.steps:
        return parts.steps.schedule.checkpoint_updates * size
    train, test = (
        -(-params[f"{s}_steps"] // size) * size for s in ("train", "test")
    )
    return -(-params["checkpoint_every"] // test) * (train + test)


def update(context: Context, step: Step) -> None:
    """Computes the losses of a batch, in training with a gradient step."""
    agent, progress = context.parts.agent, context.parts.progress
    due = step.is_last
    if step.phase == "train":
        due = (step.update + 1) % context.log_every == 0
    batch = context.batches.of(step)
    seed = seeds.derive(*context.seed_for(_UPDATE, step))
    compute, lead = context.compute[step.phase], context.parts.lead
    if lead:
        log = None if context.parts.steps else context.log
        values = lead.compute(compute, step, batch, seed, log)
    else:
        values = compute(batch, seed)
    # Named as in `metrics.jsonl`.
    named = {
        f"{name}_loss" if name in agent.loss_names else name: float(value)
        for name, value in values.items()
    }
    check_finite(named, step, batch, context.params)
    context.means[step.phase].submit(named)
    losses = {
        name: named[f"{name}_loss"]
        for name in agent.loss_names
        if name in values
    }
    progress.update(step.phase, step.end, losses)
    context.guard.show(
        step=step.end,
        updates_per_second=progress.updates_per_second,
        seconds_left=progress.seconds_left,
    )
    if due:
        _write(context, step, context.means[step.phase].clear())


def predict(context: Context, step: Step) -> None:
    """Shows the data, and what the agent predicts, once per epoch."""
    if not step.is_last:
        return
    place = step.phase, step.summary_step
    scalars = {"general/dataset_episodes": context.log.count(step.phase)}
    context.parts.summaries.scalars(*place, scalars)
    batch = context.batches.of(step)
    seed = seeds.derive(*context.seed_for(_PREDICT, step))
    context.parts.summaries.predictions(*place, batch, seed)


def collect(
    context: Context, collector: Collector, step: Step
) -> Outcome | None:
    """Collects episodes to learn from, where the schedule says so."""
    if not collector.due(step):
        return None
    _collect(context, collector, step, collector.noise_at(step))
    return Outcome()


def collect_ahead(context: Context, step: Step) -> Outcome | None:
    """Adds the episodes of the last time, and starts others; see `ahead`."""
    ahead = context.parts.ahead
    ahead.is_ready()  # Raises what went wrong meanwhile.
    if not _due(context, step):
        return None
    announce_ahead(context, step)
    ahead.copy_weights(step)
    start_ahead(context, step)
    return Outcome()


def collect_apart(context: Context, step: Step) -> Outcome | None:
    """Adds episodes that other processes have played; see `apart`."""
    context.parts.apart.forget()
    due = _due(context, step)
    if not due:
        return None
    progress, own = context.parts.progress, context.log.own("train")
    progress.activity("waiting for collectors")
    known = {r["collected"] for r in own if "collected" in r}
    wanted = [
        (collector.task, collector.entry["name"])
        for collector in due
        for _ in range(collector.entry["batch_size"])
    ]
    for record in context.parts.apart.take(wanted, known):
        task, name, result = map(record.pop, ("task", "name", "result"))
        announce(context, task, name, step, [result], **record)
    return Outcome()


def announce_ahead(context: Context, step: Step) -> None:
    """Waits for the episodes that were started, and stores them."""
    ahead = context.parts.ahead
    if not ahead.is_ready():
        context.parts.progress.activity("waiting for episodes")
    for collector, results in ahead.wait():
        noise = collector.noise_at(ahead.begun)
        details = {
            "action_noise": noise,
            "weights_update": ahead.begun.update + 1,
        }
        place = collector.task, collector.entry["name"]
        announce(context, *place, step, results, **details)


def start_ahead(context: Context, step: Step) -> None:
    """Starts what is to be collected at a step, with the weights of then."""
    seed = context.seed_for(_COLLECT, step)
    # Episodes of a test phase come first, since nothing goes on beside them.
    later = step.is_last and bool(context.parts.collectors["test"])
    context.parts.ahead.start(step, _due(context, step), seed, later)


def _due(context: Context, step: Step) -> list[Collector]:
    return [c for c in context.parts.collectors["train"] if c.due(step)]


def score(
    context: Context, collector: Collector, position: int, step: Step
) -> Outcome | None:
    """Collects episodes without noise at the end of each test phase.

    Args:
      context: what the stages share.
      collector: what to collect.
      position: this collector's place among those of the phase.
      step: where training stands.
    """
    if not step.is_last:
        return None
    summaries, place = context.parts.summaries, (step.phase, step.summary_step)
    mean, path = _collect(context, collector, step, 0.0)
    if collector.shown:
        episode = episodes.load_episode(path)
        summaries.episode(
            *place,
            f"simulation/{collector.task}/{collector.entry['name']}",
            episode.get("image"),
            # The first entries belong to the reset.
            {name: episode[name][1:] for name in ("action", "reward")},
        )
    context.returns[position].assign(mean)
    returns = context.returns.numpy()
    if position < len(returns) - 1 or context.parts.steps:
        return Outcome()
    total = float(returns.mean())
    summaries.scalars(*place, {"trainer/score": total})
    return Outcome(score=total)


def end_of_phase(step: Step) -> Outcome | None:
    """Has the phase kept, where nothing is collected at its end."""
    return Outcome() if step.is_last else None


def _write(context: Context, step: Step, metrics: dict[str, float]) -> None:
    """Writes a line of the log, and the same as summaries."""
    speed = context.parts.progress.updates_per_second
    where = {"phase": step.phase, "step": step.end, "update": step.update + 1}
    steps, group = context.parts.steps, "general"
    if steps:
        group = steps.GROUP
        metrics = {**metrics, **steps.describe_update(step, speed)}
    context.log.write({**where, **metrics, "updates_per_second": speed})
    scalars = {f"{group}/{name}": x for name, x in metrics.items()}
    scalars["trainer/global_step"] = step.end
    scalars["trainer/epoch"] = step.epoch
    if step.phase == "train":
        scalars["trainer/updates_per_second"] = speed
    context.parts.summaries.scalars(step.phase, step.summary_step, scalars)


def _collect(
    context: Context, collector: Collector, step: Step, action_noise: float
) -> tuple[float, pathlib.Path]:
    """Collects one episode per environment; see `announce`."""
    context.parts.progress.activity(f"collecting {collector.task}")
    if context.parts.ahead is not None:
        context.parts.ahead.wait()  # It needs the environments.
    seed = context.seed_for(_COLLECT, step)
    results = collector.collect(seed, action_noise)
    place = collector.task, collector.entry["name"]
    return announce(context, *place, step, results, action_noise=action_noise)


def announce(
    context: Context,
    task: str,
    name: str,
    step: Step,
    results: Sequence[dict[str, Any]],
    **details: Any,
) -> tuple[float, pathlib.Path]:
    """Stores collected episodes at a step, and reports them.

    Returns:
      The mean of the returns, and the file of the last episode.
    """
    for result in results:
        check_return(task, result)
    for result in results:
        path = context.log.add(
            step.phase,
            task,
            result,
            phase=step.phase,
            step=step.end,
            update=step.update + 1,
            collect=name,
            **details,
        )
        if context.parts.steps and step.phase == "test":
            context.parts.steps.batches.add(step.phase, path)
    mean = sum(result["return"] for result in results) / len(results)
    context.parts.progress.collected(step.phase, task, mean)
    group = f"simulation/{task}/{name}"
    scalars = {f"{group}/return": mean, f"{group}/length": results[0]["length"]}
    if "action_noise" in details:
        scalars[f"{group}/action_noise"] = details["action_noise"]
    scalars["trainer/env_step"] = context.log.env_step
    scalars["trainer/episodes"] = context.log.count(step.phase)
    context.parts.summaries.scalars(step.phase, step.summary_step, scalars)
    return mean, path
