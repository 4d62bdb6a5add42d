"""A whole run: seed episodes, then training and test phases to the end.

A run that was cut off resumes as if it had not been: `Session.run` restores the
last checkpoint and rolls the episodes back to it (`episode_log`); batches and
random numbers follow from the step (`batches`, `tools.seeds`).
"""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.episodes import load_episode
from planet_tf2.data.first_look import remarks
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard, RolloutStopped, Stopped
from planet_tf2.tools.streaming_mean import StreamingMean
from planet_tf2.training import stages, step_stages
from planet_tf2.training.batches import Batches
from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.step_parts import StepParts
from planet_tf2.training.trainer import Trainer

_LOGGER = logging.getLogger(__name__)

_SEED_EPISODES = {"train": 11, "test": 12}


class Session:
    """Trains one run from wherever it stands to its end.

    Args:
      folder: the run's folder; its metrics and episodes have to belong to
        the checkpoints in it.
      parts: what the configuration is made of.
      params: the parameters of the run.
      seed: the run's seed.
      guard: its `show` is told the step, the speed and the score.
      identity: what `config.yaml` and checkpoints share; see `Checkpoints`.
    """

    def __init__(
        self,
        folder: RunFolder,
        parts: stages.Parts,
        params: Mapping[str, Any],
        seed: int = 0,
        guard: Guard = Guard(),
        identity: str = "",
    ):
        self._folder = folder
        self._parts = parts
        self._params = params
        self._seed = seed
        self._guard = guard
        self._log = EpisodeLog(folder, guard)
        self._test_returns = tf.Variable(
            tf.fill([len(parts.collectors["test"])], np.float32("nan")),
            trainable=False,
        )
        self._foreign_decisions = dict.fromkeys(SPLITS, 0)
        self._means = _make_means(parts.agent)
        stepper = parts.steps and parts.steps.stepper
        batches = parts.steps and parts.steps.batches
        self._trainer = Trainer(
            folder.checkpoints,
            {
                **parts.agent.saved,
                "metrics_position": self._log.saved_position,
                "test_returns": self._test_returns,
                "train_mean": self._means["train"],
                "test_mean": self._means["test"],
                **({"ahead": parts.ahead.saved} if parts.ahead else {}),
                **({"stepper": stepper.saved} if stepper else {}),
                **(batches.saved if batches else {}),
            },
            stages.checkpoint_distance(params, parts),
            guard,
            [parts.summaries, self._log, *filter(None, (stepper, batches))],
            folder.scratch,
            identity=identity,
        )

    def run(self) -> float | None:
        """Trains to the end of the run.

        Returns:
          The score of the last test phase: the mean return of its episodes, or
          none if no phase collected any.

        Raises:
          Stopped: if the program was asked to stop, once all is saved.
          NonFiniteError: if a loss or the gradient is not finite.
          RestoreError: if the checkpoint does not fit.
        """
        restored = self._trainer.restore()
        for task, env in self._parts.seed_envs.items():
            for note in getattr(env, "notes", []):
                _LOGGER.info("%s: %s.", task, note)
        score = self._last_score()
        self._guard.show(step=self._trainer.global_step, score=score)
        if not restored:
            self._check_fresh()
        self._log.rollback(int(self._log.saved_position))
        if self._parts.steps:
            self._bring_back(restored)
        try:
            self._collect_seed_episodes()
        except RolloutStopped:
            self._trainer.save()
            raise Stopped("Stopped while collecting seed episodes.") from None
        self._trainer.save()
        context = self._start_stages()
        with contextlib.closing(context.batches):
            if restored:
                _LOGGER.info(
                    "Going on from step %d with %d training episodes.",
                    self._trainer.reached_step,
                    self._log.count("train"),
                )
                self._resume_summaries()
            self._parts.progress.activity("building graphs, up to a minute")
            for score in self._trainer.iterate(self._params["max_steps"]):
                self._guard.show(score=score)
            if self._parts.ahead:
                self._announce_last(context)
        self._guard.show(step=self._trainer.global_step)
        return score

    def _check_fresh(self) -> None:
        """Makes sure that no checkpoint got lost, rather than start anew."""
        episodes = sum(self._log.announced(split) for split in SPLITS)
        # The first checkpoint follows the first episode.
        if episodes > 1:
            raise ValueError(
                f"{self._folder.path} has {episodes} episodes in "
                f"{self._folder.metrics.name} but no checkpoint to go on from. "
                "Restore the checkpoints, or start in another --logdir."
            )

    def _last_score(self) -> float | None:
        """The score of a test phase that an earlier process completed."""
        returns = self._test_returns.numpy()
        complete = returns.size and np.isfinite(returns).all()
        return float(returns.mean()) if complete else None

    def _bring_back(self, restored: bool) -> None:
        """Reads what there is to learn from, and resumes running episodes."""
        steps = self._parts.steps
        self._parts.progress.activity("reading episodes")

        def pause() -> None:
            if self._guard.should_stop():
                # Nothing is saved, as nothing has changed.
                raise Stopped("Stopped while resuming.")

        self._foreign_decisions = steps.batches.load(self._log, pause)
        if restored and steps.stepper:
            self._parts.progress.activity("playing running episodes again")
            steps.stepper.restore(pause)
        steps.batches.resume()

    def _collect_seed_episodes(self) -> None:
        """Fills both folders with random episodes of every task."""
        tasks = list(self._parts.seed_envs)
        for split in SPLITS:
            # Episodes that were in the folders before the run count as well.
            # Their files do not tell their task, so they count for all alike.
            foreign = self._log.count(split) - self._log.announced(split)
            for task in tasks:
                own = self._log.announced(split, task)
                paths = []
                while self._wants_seed(split, task, foreign // len(tasks)):
                    number = own + foreign // len(tasks) + len(paths)
                    paths.append(
                        self._collect_seed_episode(split, task, number)
                    )
                    # There may be many, and the weights be large.
                    if not self._parts.steps or len(paths).bit_count() == 1:
                        self._trainer.save()
                if paths and split == "train":
                    self._look_at(task, paths)

    def _wants_seed(self, split: str, task: str, foreign: int) -> bool:
        """Whether a task lacks random episodes, given a user's own ones."""
        steps = self._parts.steps
        if split == "test" or not steps:
            wanted = 1 if steps else self._params["num_seed_episodes"]
            return self._log.announced(split, task) + foreign < wanted
        found = self._log.decisions(split, task) * len(self._parts.seed_envs)
        found += self._foreign_decisions[split]
        return found < steps.schedule.prefill

    def _look_at(self, task: str, paths: list[pathlib.Path]) -> None:
        """Warns of what keeps an agent from learning the task."""
        episode = load_episode(paths[0])
        rewards = [load_episode(path)["reward"][1:] for path in paths]
        episode["reward"] = np.concatenate(rewards)
        notes = getattr(self._parts.seed_envs[task], "notes", [])
        for text in remarks(episode, self._params):
            more = f" {notes[-1]}." if "images" in text and notes else ""
            _LOGGER.warning("%s: %s%s", task, text, more)

    def _collect_seed_episode(
        self, split: str, task: str, number: int
    ) -> pathlib.Path:
        parts, amount = self._parts, self._params.get("num_seed_episodes")
        which = f"{number + 1}/{amount}" if amount else f"{number + 1}"
        parts.progress.activity(f"random {split} episode {which} of {task}")
        index = sorted(parts.seed_envs).index(task)
        env, should_stop = parts.seed_envs[task], self._guard.should_stop

        def collect(attempt: int) -> list[dict[str, Any]]:
            seed = self._seed, _SEED_EPISODES[split], index
            seed += (attempt,) if attempt else ()
            return random_episodes(env, 1, seed, number, should_stop)

        what = f"collecting random episodes of {task}"
        (episode,) = parts.retry(what, collect)
        stages.check_return(task, episode)
        path = self._log.add(split, task, episode, phase="seed", step=0)
        if parts.steps:
            parts.steps.batches.add(split, path)
        return path

    def _start_stages(self) -> stages.Context:
        """Adds the phases, and starts what goes on beside them."""
        trainer, make = self._trainer, self._parts.make_batches
        steps = self._parts.steps
        batches = steps and steps.batches
        if batches is None:
            batches = Batches(make, self._log, self._seed, trainer.step_of)
        context = stages.Context(
            parts=self._parts,
            params=self._params,
            seed=self._seed,
            log=self._log,
            batches=batches,
            means=self._means,
            returns=self._test_returns,
            guard=self._guard,
        )
        if steps:
            self._add_step_phases(context, steps)
            self._parts.hand_out({})
            return context
        params, size = self._params, self._params["batch_shape"][0]
        first = [partial(f, context) for f in (stages.update, stages.predict)]
        train = [
            partial(stages.collect, context, collector)
            for collector in self._parts.collectors["train"]
        ]
        apart = self._parts.apart
        ahead = None if apart else self._parts.ahead
        if apart or ahead:
            how = stages.collect_apart if apart else stages.collect_ahead
            train = [partial(how, context)]
        test = [
            partial(stages.score, context, collector, position)
            for position, collector in enumerate(self._parts.collectors["test"])
        ]
        # An episode is always followed by a checkpoint.
        test = test or [stages.end_of_phase]
        splits = [split for split in SPLITS if self._log.count(split)]
        if "test" in splits:  # Of stored episodes there may be none to test on.
            test = first + test
        trainer.add_phase("train", params["train_steps"], size, first + train)
        trainer.add_phase("test", params["test_steps"], size, test)
        first_ones = {s: trainer.next_step(s).update for s in splits}
        batches.start(first_ones)
        self._parts.hand_out(first_ones)
        if ahead and ahead.step >= 0:
            stages.start_ahead(context, trainer.step_at(ahead.step))
        return context

    def _add_step_phases(
        self, context: stages.Context, steps: StepParts
    ) -> None:
        """Adds the phases of an agent that is trained by steps."""
        schedule, size = steps.schedule, self._params["batch_shape"][0]
        learn = [partial(stages.update, context)]
        if schedule.predictions:
            learn.append(partial(stages.predict, context))
        train = [partial(step_stages.act, context)] if steps.stepper else []
        scores = [
            partial(stages.score, context, collector, position)
            for position, collector in enumerate(self._parts.collectors["test"])
        ]
        if scores:
            scores.append(partial(step_stages.sum_up, context))
        can_test = steps.batches.decisions("test") > 0
        test = [*learn] if can_test else []
        test += scores or [stages.end_of_phase]
        add = self._trainer.add_phase
        add("train", schedule.train_updates * size, size, train + learn)
        add("test", schedule.test_updates * size, size, test)

    def _announce_last(self, context: stages.Context) -> None:
        """Adds the episodes that nothing was learned from any more.

        No checkpoint follows, so that a run which goes on to a higher
        `max_steps` takes them back, and adds them when they are due.
        """
        step = self._trainer.next_step("train")
        end = dataclasses.replace(
            step,
            global_step=self._trainer.global_step,
            update=step.update - 1,
            batch_size=0,
        )
        try:
            stages.announce_ahead(context, end)
        except RolloutStopped:
            raise Stopped("Stopped while collecting at the end.") from None

    def _resume_summaries(self) -> None:
        """Takes back what was shown of steps that are about to come again."""
        for split in SPLITS:
            step = self._trainer.next_step(split)
            # The stages of a step that are done do not come again.
            begun = self._trainer.has_begun(step)
            self._parts.summaries.resume(split, step.summary_step + begun)


def _make_means(agent: Agent) -> dict[str, StreamingMean]:
    """Makes what averages the scalars between two lines of the log."""
    losses = {"train": agent.loss_names, "test": agent.loss_names}
    if agent.test_loss_names is not None:
        losses["test"] = agent.test_loss_names
    others = {"train": [*agent.norm_names, *agent.scalar_names], "test": []}
    return {
        split: StreamingMean(
            [*(f"{name}_loss" for name in losses[split]), *others[split]]
        )
        for split in SPLITS
    }
