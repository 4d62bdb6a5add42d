"""Chooses the episode and the decisions to look into."""

import pathlib
import re
from collections.abc import Sequence

from planet_tf2.data import episodes
from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.held_out import EpisodesError, HeldOut
from planet_tf2.evaluation.loading import LoadedRun

MAX_DECISIONS = 12
_USUAL = (0.1, 0.5, 0.9)  # Where in the episode to look by default.


def choose_episode(run: LoadedRun, name: str | None = None) -> HeldOut:
    """Loads a stored episode.

    Args:
      run: the loaded run.
      name: number of a test episode, from 1, or -1 for the last; or the name
        of a file in the run's `test_episodes` or `train_episodes`, or its
        beginning; or a path. By default the latest test episode.

    Raises:
      EpisodesError: there is none, or it does not fit the model.
    """
    path = _find(run, name)
    try:
        arrays = episodes.load_episode(path)
    except (episodes.BrokenEpisode, OSError) as error:
        raise EpisodesError(str(error)) from None
    source, task = held_out.GIVEN, None
    if path.parent in (run.folder.test_episodes, run.folder.train_episodes):
        known = held_out.known_episodes(run.folder)
        source, task = known.get(path.name, (source, task))
    return held_out.make_held_out(run, path.name, source, task, arrays)


def choose_decisions(
    length: int, decisions: Sequence[str | int] | None = None
) -> list[int]:
    """Returns the decisions to look into, in the order of time.

    Args:
      length: T, decisions of the episode.
      decisions: numbers from 0 to T - 1; by default three, from its beginning,
        middle and end.

    Raises:
      ValueError: what is given is no number, there is no such decision, or
        there are too many.
    """
    if not decisions:
        return sorted({int(place * (length - 1)) for place in _USUAL})
    words = {str(value).strip() for value in decisions}
    known = {str(time) for time in range(length)}
    if not words <= known or len(words) > MAX_DECISIONS:
        raise ValueError(
            f"decisions is {','.join(map(str, decisions))}, but has to be of "
            f"at most {MAX_DECISIONS} of the episode's, 0 to {length - 1}."
        )
    return sorted(map(int, words))


def _find(run: LoadedRun, name: str | None) -> pathlib.Path:
    tests, trained = run.folder.test_episodes, run.folder.train_episodes
    stored = episodes.list_episodes(tests)
    if name is None or re.fullmatch(r"-?\d{1,7}", name):
        number = -1 if name is None else int(name)
        if not 0 < abs(number) <= len(stored):
            raise EpisodesError(
                f"episode is {name}, but there are {len(stored)} episodes in "
                f"{tests}, with the numbers from 1, or -1 for the last."
            )
        return tests / stored[number if number < 0 else number - 1]
    path = pathlib.Path(name)
    if path.is_file():
        return path
    found = [
        place / file
        for place in (tests, trained)
        for file in episodes.list_episodes(place)
        if file.startswith(name)
    ]
    if len(found) != 1:
        raise EpisodesError(
            f"episode is {name!r}, but there is no such file, and "
            f"{len(found)} episodes in {tests} and {trained} begin with that."
        )
    return found[0]
