"""Short runs of the programs that fuzz."""

import fuzz_episodes
import fuzz_parameters
import tensorflow  # noqa: F401  train.py would import it after OpenGL.


def test_no_episode_file_does_harm():
    figures, problems = fuzz_episodes.fuzz(400, seed=2)
    assert problems == []
    # All ways to make a file came up, and some files could be read.
    for name in fuzz_episodes.HOWS:
        assert any(line.startswith(f"{name}:") for line in figures)
    assert sum(n for line, n in figures.items() if "read" in line) > 40


def test_odd_command_lines_are_refused_in_a_line():
    figures, problems = fuzz_parameters.fuzz(300, seed=2)
    assert problems == []
    assert figures["accepted"] > 30 and figures["refused"] > 30
