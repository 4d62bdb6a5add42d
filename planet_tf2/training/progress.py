"""Shows how a run is coming along: a bar on a terminal, else plain lines."""

import collections
import contextlib
import logging
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from tqdm import tqdm

_LOGGER = logging.getLogger(__name__)

# Between two lines lie at least this many seconds and this part of the run.
# After ten times as many seconds there is a line in any case.
_SECONDS, _FRACTION = 10.0, 0.01
_RECENT = 20  # Updates that the speed is averaged over.


class Progress:
    """Tells a run's phase, step, time left, returns, losses and speed.

    On a terminal that is a bar at the bottom with messages above it. Where the
    output goes to a file, it is a line every now and then:

        [train] step 3,200/50,500 (6%)  left 21:17  return 265.3 test  ...

    All lines are log records, which `console` shows.

    Args:
      total_steps: global step at which the run ends.
      stream: where to write; standard error by default.
      clock: returns the time in seconds.
    """

    def __init__(
        self,
        total_steps: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._total = total_steps
        self._stream = stream or sys.stderr
        self._clock = clock
        self._phase = ""
        self._interrupted = True
        # Seconds of the last updates of each phase.
        self._recent = collections.defaultdict(
            lambda: collections.deque(maxlen=_RECENT)
        )
        # Time and step of the first and of the last update.
        self._first = self._last = None
        self._returns: dict[str, dict[str, float]] = {}
        self._line_seconds = self._line_step = -math.inf
        self._bar = tqdm(
            total=total_steps,
            file=self._stream,
            disable=None,  # Unless the stream is a terminal.
            bar_format="|{bar:10}| {desc}",
            dynamic_ncols=True,
        )

    @property
    def updates_per_second(self) -> float:
        """Recent speed of the current phase, 0 while it is not known.

        Time between updates that went into something else, such as collecting
        an episode, does not count.
        """
        recent = self._recent[self._phase]
        seconds = sum(recent)
        return len(recent) / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run, None while nothing is known.

        From what this process has done so far, everything included.
        """
        if self._first == self._last:
            return None
        seconds = self._last[0] - self._first[0]
        steps = self._last[1] - self._first[1]
        return max(0, self._total - self._last[1]) * seconds / steps

    def update(
        self, phase: str, step: int, losses: Mapping[str, float]
    ) -> None:
        """Reports an update: the global step that it led to, and losses."""
        self._measure(phase, step)
        percent = 100 * step // self._total
        parts = [f"[{phase}] step {step:,}/{self._total:,} ({percent}%)"]
        if self.seconds_left is not None:
            parts.append(f"left {tqdm.format_interval(self.seconds_left)}")
        if self._returns:
            # Of several tasks their mean.
            means = [
                f"{statistics.fmean(returns.values()):.1f} {split}"
                for split, returns in self._returns.items()
            ]
            parts.append(f"return {', '.join(means)}")
        parts += [f"{name} {_number(x)}" for name, x in losses.items()]
        if self.updates_per_second:
            parts.append(f"{_number(self.updates_per_second)} updates/s")
        # What does not fit into the terminal is cut off.
        text = "  ".join(parts)
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(min(step, self._total) - self._bar.n)
        if self._is_due(step):
            self._line_seconds, self._line_step = self._clock(), step
            _LOGGER.info(text, extra={"in_bar": not self._bar.disable})

    def activity(self, text: str) -> None:
        """Reports what goes on between updates, such as collecting.

        Without a bar, a line appears unless there was one shortly before.
        """
        self._interrupted = True
        self._bar.set_description_str(text)
        now = self._clock()
        if self._bar.disable and now - self._line_seconds >= _SECONDS:
            self._line_seconds = now
            _LOGGER.info(text)

    def collected(self, split: str, task: str, value: float) -> None:
        """Reports the return of collected episodes, their mean if several."""
        self._interrupted = True
        self._returns.setdefault(split, {})[task] = value
        _LOGGER.info("[%s] return %.1f in %s", split, value, task)

    def close(self) -> None:
        """Leaves the bar as it is and the cursor below it."""
        self._bar.close()

    @contextlib.contextmanager
    def console(self) -> Iterator[None]:
        """Shows what programs log as messages, inside of a `with` block.

        Takes the place of the handlers that write to the console, which would
        tear the bar and repeat what is shown here already.
        """
        root = logging.getLogger()
        before = root.handlers
        kept = [handler for handler in before if not _is_console(handler)]
        root.handlers = [*kept, _Console(self._stream)]
        try:
            yield
        finally:
            root.handlers = before

    def _measure(self, phase: str, step: int) -> None:
        now = self._clock()
        if phase == self._phase and not self._interrupted:
            self._recent[phase].append(now - self._last[0])
        self._phase, self._interrupted = phase, False
        self._last = (now, step)
        # The first update took the time to build the graph, so that the
        # measurement of the rest starts at its end.
        self._first = self._first or self._last

    def _is_due(self, step: int) -> bool:
        seconds = self._clock() - self._line_seconds
        if step >= self._total or seconds >= 10 * _SECONDS:
            return True
        part = (step - self._line_step) / self._total
        return seconds >= _SECONDS and part >= _FRACTION


class _Console(logging.Handler):
    """Shows this package's records, and warnings of all others."""

    def __init__(self, stream: TextIO):
        super().__init__(logging.INFO)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.title()}: {text}"
        elif not record.name.startswith("planet_tf2."):
            return
        if not getattr(record, "in_bar", False):
            tqdm.write(text, self._stream)
            self._stream.flush()


def _is_console(handler: logging.Handler) -> bool:
    # The handler that programs with absl flags have wraps another.
    handler = getattr(handler, "python_handler", handler)
    streams = sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__
    return getattr(handler, "stream", None) in streams


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
