"""Shows how a run is coming along: a bar on a terminal, else plain lines."""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

import tqdm

_LOGGER = logging.getLogger(__name__)

# Losses that are shown, in this order. The metrics have all of them.
_SHOWN = ("image", "reward", "divergence")


class Progress:
    """Tells a run's phase, step, speed, losses, returns and time left.

    On a terminal that is a bar at the bottom with messages above it. Where the
    output goes to a file, it is a line every now and then:

        [train] step 3,200/50,500 (6%)  image 11304.2  reward 1.0  ...

    The lines go to the log as well.

    Args:
      total_steps: global step at which the run ends.
      stream: where to write; standard error by default.
      every_seconds: seconds between two lines, at least.
      every_fraction: part of the run between two lines, at least. After ten
        times `every_seconds` a line is due in any case.
      clock: returns the time in seconds.
    """

    def __init__(
        self,
        total_steps: int,
        stream: TextIO | None = None,
        every_seconds: float = 10.0,
        every_fraction: float = 0.01,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._total = total_steps
        self._stream = sys.stderr if stream is None else stream
        self._every_seconds = every_seconds
        self._every_steps = every_fraction * total_steps
        self._clock = clock
        self._pace = Pace(clock)
        self._returns: dict[str, dict[str, float]] = {}
        self._line_seconds = -math.inf
        self._line_step = -math.inf
        self._bar: tqdm.tqdm | None = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=total_steps,
                file=self._stream,
                bar_format="|{bar:10}| {desc}",
                dynamic_ncols=True,
            )

    @property
    def updates_per_second(self) -> float:
        """Recent speed of the current phase, 0 while it is not known.

        Time between updates that went into something else, such as collecting
        an episode, does not count.
        """
        return self._pace.updates_per_second

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run, None while nothing is known."""
        return self._pace.seconds_left(self._total)

    def update(
        self, phase: str, step: int, values: Mapping[str, float]
    ) -> None:
        """Reports an update.

        Args:
          phase: `train` or `test`.
          step: global step that it led to.
          values: losses by name.
        """
        self._pace.update(phase, step)
        where = self._format_step(phase, step)
        losses = [f"{n} {_number(values[n])}" for n in _SHOWN if n in values]
        speed, returns = self._format_speed(), self._format_returns()
        left = self._format_time_left()
        if self._bar is not None:
            # What does not fit into the terminal is cut off.
            self._bar.n = min(step, self._total)
            self._bar.set_description_str(
                _join(where, *left, *returns, *losses, *speed), refresh=False
            )
            self._bar.update(0)
        if self._is_due(step):
            self._line_seconds, self._line_step = self._clock(), step
            text = _join(where, *losses, *speed, *returns, *left)
            if self._bar is None:
                self._show(text)
            _LOGGER.info(text)

    def activity(self, text: str) -> None:
        """Reports what goes on between updates, such as collecting.

        Without a bar, a line appears unless there was one shortly before.
        """
        self._pace.interrupt()
        if self._bar is not None:
            self._bar.set_description_str(text)
        elif self._seconds_since_line() >= self._every_seconds:
            self._line_seconds = self._clock()
            self.message(text)

    def collected(self, split: str, task: str, value: float) -> None:
        """Reports the return of a collected episode.

        Args:
          split: `train` or `test`.
          task: name of the task.
          value: the return, or the mean over several episodes.
        """
        self._pace.interrupt()
        self._returns.setdefault(split, {})[task] = value
        self.message(f"[{split}] return {value:.1f} in {task}")

    def message(self, text: str) -> None:
        """Shows a line, above the bar if there is one, and logs it."""
        self._show(text)
        _LOGGER.info(text)

    def close(self) -> None:
        """Leaves the bar as it is and the cursor below it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @contextlib.contextmanager
    def console(self) -> Iterator[None]:
        """Shows what programs log as messages, inside of a `with` block.

        Takes the place of the handlers that write to the console, which would
        tear the bar and repeat what is shown here already.
        """
        root = logging.getLogger()
        replaced = [h for h in root.handlers if _is_console(h)]
        handler = _Console(self._show)
        root.addHandler(handler)
        for other in replaced:
            root.removeHandler(other)
        try:
            yield
        finally:
            root.removeHandler(handler)
            for other in replaced:
                root.addHandler(other)

    def _format_step(self, phase: str, step: int) -> str:
        percent = int(100 * step / self._total)
        return f"[{phase}] step {step:,}/{self._total:,} ({percent}%)"

    def _format_speed(self) -> list[str]:
        speed = self.updates_per_second
        if not speed:
            return []
        return [f"{speed:.{1 if speed >= 1 else 2}f} updates/s"]

    def _format_returns(self) -> list[str]:
        """The last returns, of several tasks their mean."""
        means = {
            split: sum(returns.values()) / len(returns)
            for split, returns in self._returns.items()
        }
        text = ", ".join(f"{mean:.1f} {split}" for split, mean in means.items())
        return [f"return {text}"] if text else []

    def _format_time_left(self) -> list[str]:
        seconds = self.seconds_left
        return [] if seconds is None else [f"left {duration(seconds)}"]

    def _is_due(self, step: int) -> bool:
        seconds = self._seconds_since_line()
        if step >= self._total or seconds >= 10 * self._every_seconds:
            return True
        steps = step - self._line_step
        return seconds >= self._every_seconds and steps >= self._every_steps

    def _seconds_since_line(self) -> float:
        return self._clock() - self._line_seconds

    def _show(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
            print(text, file=self._stream)
            self._bar.refresh()
        else:
            print(text, file=self._stream, flush=True)


class Pace:
    """Measures updates per second, and the time that is left.

    Args:
      clock: returns the time in seconds.
      horizon: updates that the speed is averaged over, about.
    """

    def __init__(self, clock: Callable[[], float], horizon: int = 20):
        self._clock = clock
        self._horizon = horizon
        self._phase: str | None = None
        self._counts: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None
        self._interrupted = True

    @property
    def updates_per_second(self) -> float:
        """Recent speed of the current phase, 0 while it is not known."""
        seconds = self._seconds.get(self._phase, 0.0)
        return 1 / seconds if seconds > 0 else 0.0

    def update(self, phase: str, step: int) -> None:
        """Tells that an update has just been made, up to a global step."""
        now = self._clock()
        if phase == self._phase and not self._interrupted:
            self._average(phase, now - self._last[0])
        self._phase = phase
        self._interrupted = False
        self._last = (now, step)
        # The first update took the time to build the graph, so that the
        # measurement of the rest starts at its end.
        self._first = self._first or self._last

    def interrupt(self) -> None:
        """Tells that the next update does not follow the last at once."""
        self._interrupted = True

    def seconds_left(self, total_steps: int) -> float | None:
        """Predicts the time to a global step, everything included.

        Returns:
          Seconds, or None while nothing is known.
        """
        if self._first is None:
            return None
        seconds = self._last[0] - self._first[0]
        steps = self._last[1] - self._first[1]
        if steps <= 0:
            return None
        return max(0, total_steps - self._last[1]) * seconds / steps

    def _average(self, phase: str, seconds: float) -> None:
        count = min(self._counts.get(phase, 0) + 1, self._horizon)
        mean = self._seconds.get(phase, 0.0)
        self._counts[phase] = count
        self._seconds[phase] = mean + (seconds - mean) / count


class _Console(logging.Handler):
    """Shows this package's records, and warnings of all others."""

    def __init__(self, show: Callable[[str], None]):
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == __name__:
            return  # Has been shown.
        own = record.name.partition(".")[0] == __name__.partition(".")[0]
        if record.levelno >= logging.WARNING:
            self._show(f"{record.levelname.title()}: {self.format(record)}")
        elif own:
            self._show(self.format(record))


def _is_console(handler: logging.Handler) -> bool:
    # The handler that programs with absl flags have wraps another.
    handler = getattr(handler, "python_handler", handler)
    return getattr(handler, "stream", None) in (sys.stderr, sys.stdout)


def duration(seconds: float) -> str:
    """Writes a time span as `3:12` (minutes) or `1:03:12` (hours)."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _join(*parts: str) -> str:
    return "  ".join(parts)
