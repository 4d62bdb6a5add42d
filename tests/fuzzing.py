"""What programs that fuzz have in common: seeds, limits and the report."""

import argparse
import collections
import json
import random
import resource
import signal
import sys
import time
import traceback

SECONDS = 2.0  # Of the processor, for each case.
MEGABYTES = 128  # More than all cases before it took, with what it makes.


def fuzz(attempt, cases, seed=0):
    """Tries something many times.

    Args:
      attempt: function of a random generator. It returns what came of it, in a
        word, and what is wrong with that, or "".

    Returns:
      How many ended in which way, with the most that any took; and what went
      wrong.
    """
    figures, problems = collections.Counter(), []
    most = {"seconds": 0.0, "megabytes": 0.0}
    signal.signal(signal.SIGALRM, _too_long)
    for number in range(cases):
        began, before = time.process_time(), _megabytes()
        signal.alarm(60)
        try:
            end, problem = attempt(random.Random(f"{seed} {number}"))
        except Exception:
            end, problem = "broken", traceback.format_exc()
        signal.alarm(0)
        seconds, more = time.process_time() - began, _megabytes() - before
        if seconds > SECONDS or more > MEGABYTES:
            problem += f" It took {seconds:.1f} seconds, {more:.0f} MB."
        if problem:
            problems.append(f"Case {number}: {problem}")
        figures[end] += 1
        most["seconds"] = max(most["seconds"], seconds)
        most["megabytes"] = max(most["megabytes"], more)
    return {**figures, **most}, problems


def _too_long(number, frame):
    raise TimeoutError("hangs")


def _megabytes():
    """The most memory that this process ever had."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def main(fuzz, description):
    """Runs such a program; its status is 1 if there are problems."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    figures, problems = fuzz(options.cases, options.seed)
    print(*problems[:20], sep="\n\n")
    print(json.dumps({**figures, "problems": len(problems)}, indent=1))
    return int(bool(problems))
