"""What scores mean: returns of a random policy, and those of the paper."""

import dataclasses

from planet_tf2.configs import tasks


@dataclasses.dataclass(frozen=True)
class Anchors:
    """Returns to compare the return of an agent with.

    Attributes:
      random: mean return of uniformly random actions, measured over 30 episodes
        with the action repeat of the task.
      random_stddev: standard deviation of those returns.
      published: mean return of PlaNet after 1,000 episodes (1M simulator steps)
        as published, or None where nothing is.
      note: what to know before comparing, or nothing.
    """

    random: float
    random_stddev: float
    published: float | None = None
    note: str = ""

    def normalised(self, value: float) -> float | None:
        """Places a return between random (0) and published (1)."""
        if self.published is None:
            return None
        return (value - self.random) / (self.published - self.random)


ANCHORS: dict[str, Anchors] = {
    "cartpole_balance": Anchors(265, 65),
    "cartpole_swingup": Anchors(122, 59, 821),
    "reacher_easy": Anchors(51, 53, 832),
    "cheetah_run": Anchors(12, 4, 662),
    "finger_spin": Anchors(1, 2, 700),
    "cup_catch": Anchors(
        70,
        147,
        930,
        "The published score may belong to an action repeat of 6, which the "
        "authors' code had until mid-2019.",
    ),
    "walker_walk": Anchors(39, 6, 951),
}


def get_anchors(
    task: str, action_repeat: int | None = None
) -> tuple[Anchors | None, list[str]]:
    """Looks up what to compare the returns of a task with.

    Args:
      task: name of the task.
      action_repeat: simulator steps per decision of the agent in question;
        None for the usual number of the task.

    Returns:
      The anchors, or None if there are none, and notes on the comparison.
    """
    anchors = ANCHORS.get(task)
    if anchors is None:
        return None, []
    notes = [anchors.note] if anchors.note else []
    usual = tasks.get_task(task).action_repeat
    if action_repeat not in (None, usual):
        notes.append(
            f"Random and published belong to an action repeat of {usual}; here "
            f"it is {action_repeat}."
        )
    return anchors, notes
