"""Stages of agents that are trained by steps. See `stages` for the others."""

import dataclasses

import tensorflow as tf

from planet_tf2.training import stages
from planet_tf2.training.stages import Context
from planet_tf2.training.step_parts import StepParts
from planet_tf2.training.trainer import Outcome, Step


def act(context: Context, step: Step) -> None:
    """Takes the decisions that are due before an update."""
    steps = context.parts.steps
    # What is announced came before this update.
    before = dataclasses.replace(step, update=step.update - 1, batch_size=0)
    for result in steps.stepper.act(step):
        index = result.pop("index")
        task = steps.tasks[index]
        number = context.log.count("train") + 1
        found = steps.describe_episode(result, number)
        if steps.schedule.sequence:  # To know again whose stream it was in.
            result["environment"] = index
        stages.announce(context, task, "main", before, [result], **found)
        _show(context, step, found)


def sum_up(context: Context, step: Step) -> Outcome | None:
    """Reports what the episodes of a test phase were like."""
    if not step.is_last:
        return None
    records = context.log.episodes_at(step.phase, step.end)
    found = {
        f"eval_{name}": sum(r[name] for r in records) / len(records)
        for name in ("return", "length")
    }
    found["eval_episodes"] = len(records)
    context.log.write({"phase": step.phase, "step": step.end, **found})
    score = found["eval_return"]
    _show(context, step, found)
    tag = {"trainer/score": score}
    context.parts.summaries.scalars(step.phase, step.summary_step, tag)
    context.returns.assign(tf.fill(context.returns.shape, score))
    return Outcome(score=score)


def _show(context: Context, step: Step, found: dict[str, float]) -> None:
    scalars = {f"{StepParts.GROUP}/{k}": x for k, x in found.items()}
    context.parts.summaries.scalars(step.phase, step.summary_step, scalars)
