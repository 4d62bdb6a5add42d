"""A short fuzz of the command line; `fuzz_parameters.py` is the long one."""

import fuzz_parameters


def test_odd_command_lines_are_refused_in_a_line():
    figures, problems = fuzz_parameters.fuzz(300, seed=2)
    assert not problems, problems[0]
    assert figures["accepted"] > 30 and figures["refused"] > 30
