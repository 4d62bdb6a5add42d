"""A window that shows pictures, in a process of its own.

The program that sends the pictures may compute for seconds, and holds
TensorFlow, which does not get along with the software OpenGL that a window may
be drawn with. So `Window` starts this module as a program and writes to its
standard input: for each picture a line of JSON with its size and the window's
title, and then its pixels.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any, BinaryIO

import numpy as np

from planet_tf2.envs import child_process

READY = "ready"
_FRAMES_PER_SECOND = 30
_START_SECONDS = 60
_MODULE = "planet_tf2.evaluation.window"
_VARIABLES = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    # Draws without OpenGL, whatever drivers there are.
    "SDL_FRAMEBUFFER_ACCELERATION": "0",
}

RECIPE = """\
On a server, a virtual X server can stand in for a screen:
    xvfb-run -a python scripts/viewer.py --logdir RUN
or write the episode as a file: python scripts/evaluate.py --video --logdir RUN\
"""


class WindowError(RuntimeError):
    """There is no screen, or no window could be opened on it."""


class Window:
    """A window on the screen.

    Args:
      title: what is written above it.
      width: of its inside in pixels.
      height: of its inside in pixels.

    Raises:
      WindowError: there is no screen, or it cannot be opened.
    """

    def __init__(self, title: str, width: int, height: int):
        check_screen()
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, title, str(width), str(height)],
            env=child_process.child_environ(_VARIABLES),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        answer = self._first_line()
        if answer.strip() != READY:
            self._process.kill()
            lines = self._process.stderr.read().decode(errors="replace")
            reason = lines.strip().splitlines()[-1:] or ["it did not answer"]
            self.close()
            raise WindowError(f"No window can be opened: {reason[0]}\n{RECIPE}")

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed it yet."""
        return self._process.poll() is None

    def show(self, image: np.ndarray, title: str) -> bool:
        """Shows a picture.

        Args:
          image: uint8 `[H, W, 3]`, the size of the window's inside.
          title: what is written above the window.

        Returns:
          Whether the window is still open.
        """
        head = {"height": image.shape[0], "width": image.shape[1]}
        line = json.dumps({**head, "title": title}).encode() + b"\n"
        try:
            self._process.stdin.write(line + image.tobytes())
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return False
        return self.is_open

    def wait(self) -> None:
        """Waits until the user closes the window."""
        self._process.wait()

    def close(self) -> None:
        """Closes the window."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _first_line(self) -> str:
        """Returns what the program says first, or nothing if it takes long."""
        answers: queue.Queue[bytes] = queue.Queue()
        reader = threading.Thread(
            target=lambda: answers.put(self._process.stdout.readline()),
            daemon=True,
        )
        reader.start()
        try:
            return answers.get(timeout=_START_SECONDS).decode()
        except queue.Empty:
            return ""


def check_screen() -> None:
    """Checks that there is a screen at all.

    Raises:
      WindowError: there is none; tells what to do.
    """
    if sys.platform in ("darwin", "win32"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise WindowError(
            "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.\n"
            + RECIPE
        )


def main() -> None:
    """Shows what comes from the standard input until it or the user ends."""
    # Imported here, since only this process draws.
    import pygame

    title, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    pygame.display.init()
    if pygame.display.get_driver() in ("dummy", "offscreen"):
        sys.exit("the system has no screen to draw on")
    screen = pygame.display.set_mode((width, height))
    pygame.display.set_caption(title)
    pygame.display.flip()
    print(READY, flush=True)
    frames: queue.Queue[tuple[dict[str, Any], bytes] | None] = queue.Queue()
    reader = threading.Thread(
        target=_read, args=(sys.stdin.buffer, frames), daemon=True
    )
    reader.start()
    clock = pygame.time.Clock()
    while not any(_closes(pygame, event) for event in pygame.event.get()):
        clock.tick(_FRAMES_PER_SECOND)
        while not frames.empty():
            frame = frames.get()
            if frame is None:  # The other program has ended.
                return
            head, pixels = frame
            size = (head["width"], head["height"])
            screen.blit(pygame.image.frombuffer(pixels, size, "RGB"), (0, 0))
            pygame.display.set_caption(head["title"])
        pygame.display.flip()


def _closes(pygame: Any, event: Any) -> bool:
    """Whether the user wants the window closed: its button, Escape or Q."""
    if event.type == pygame.KEYDOWN:
        return event.key in (pygame.K_ESCAPE, pygame.K_q)
    return event.type == pygame.QUIT


def _read(stream: BinaryIO, frames: queue.Queue) -> None:
    while line := stream.readline():
        head = json.loads(line)
        size = 3 * head["height"] * head["width"]
        pixels = stream.read(size)
        if len(pixels) == size:
            frames.put((head, pixels))
    frames.put(None)


if __name__ == "__main__":
    main()
