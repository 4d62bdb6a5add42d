"""What scores mean: returns of a random policy, and those of the papers."""

import dataclasses

from planet_tf2.configs import tasks


@dataclasses.dataclass(frozen=True)
class Anchors:
    """Returns to compare the return of an agent with.

    Attributes:
      random: mean return of uniformly random actions, measured over 30 episodes
        with the action repeat of the task.
      random_stddev: standard deviation of those returns.
      published: mean return that the authors published, or None.
      after: what their agent had learned from.
      note: what to know before comparing, or nothing.
    """

    random: float
    random_stddev: float
    published: float | None = None
    after: str = "1,000 episodes"
    note: str = ""

    def normalised(self, value: float) -> float | None:
        """Places a return between random (0) and published (1)."""
        if self.published is None:
            return None
        return (value - self.random) / (self.published - self.random)


# PlaNet's.
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
        note="The published score may belong to an action repeat of 6, which "
        "the authors' code had until mid-2019.",
    ),
    "walker_walk": Anchors(39, 6, 951),
}
# DreamerV3's (2023), from vectors; means over the last 5% and five seeds.
_DREAMER = {
    "cartpole_balance": 988,
    "cartpole_swingup": 853,
    "reacher_easy": 964,
    "cheetah_run": 614,
    "finger_spin": 929,
    "cup_catch": 960,
    "walker_walk": 925,
}


def get_anchors(
    task: str, action_repeat: int | None = None, agent: str = "planet"
) -> tuple[Anchors | None, list[str]]:
    """Looks up what to compare the returns of a task with.

    Args:
      task: name of the task.
      action_repeat: simulator steps per decision of the agent in question;
        None for the usual number of the task.
      agent: which one, as config.yaml names it.

    Returns:
      The anchors, or None if there are none, and notes on the comparison.
    """
    anchors = ANCHORS.get(task)
    if anchors is None:
        return None, []
    if agent != "planet":
        anchors = dataclasses.replace(
            anchors,
            published=_DREAMER.get(task) if agent == "dreamer" else None,
            after="500,000 steps from vectors",
            note="",
        )
    notes = [anchors.note] if anchors.note else []
    usual = tasks.get_task(task).action_repeat
    if action_repeat not in (None, usual):
        notes.append(
            f"Random and published belong to an action repeat of {usual}; here "
            f"it is {action_repeat}."
        )
    return anchors, notes
