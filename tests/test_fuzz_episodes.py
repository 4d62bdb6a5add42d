"""A short fuzz of episode files; `fuzz_episodes.py` is the long one."""

import fuzz_episodes


def test_no_file_does_harm():
    figures, problems = fuzz_episodes.fuzz(400, seed=2)
    assert problems == []
    # All kinds of files came up, and some could be read.
    for name in fuzz_episodes.HOWS:
        assert any(line.startswith(f"{name}:") for line in figures)
    assert sum(n for line, n in figures.items() if "read" in line) > 40
