"""A window that shows pictures, in a process of its own.

The program that sends the pictures may compute for seconds, and holds
TensorFlow, which does not get along with the software OpenGL that a window may
be drawn with. So `Window` starts this module as a program, and sends it each
picture and title through a socket.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection

import numpy as np

from planet_tf2.envs import child_process

_START_SECONDS = 60
_CLOSE_SECONDS = 5
# Draws without OpenGL, whatever drivers there are.
_VARIABLES = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_FRAMEBUFFER_ACCELERATION": "0",
}

_RECIPE = """\
On a server, a virtual X server can stand in for a screen:
    xvfb-run -a python scripts/viewer.py --logdir RUN
or write the episode as a file: python scripts/evaluate.py --video --logdir RUN\
"""


class WindowError(RuntimeError):
    """There is no screen, or no window could be opened on it."""


class Window(contextlib.AbstractContextManager):
    """A window on the screen.

    Args:
      title: what is written above it.
      width, height: of its inside, in pixels.

    Raises:
      WindowError: there is no screen, or it cannot be opened.
    """

    def __init__(self, title: str, width: int, height: int):
        check_screen()
        self._connection, theirs = multiprocessing.Pipe()
        command = [sys.executable, "-m", "planet_tf2.evaluation.window"]
        command += [str(theirs.fileno()), title, str(width), str(height)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=child_process.child_environ(_VARIABLES),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        problem = "its process did not answer"
        with contextlib.suppress(EOFError, OSError):
            if self._connection.poll(_START_SECONDS):
                problem = self._connection.recv()
        if problem:
            self._process.kill()
            self.close()
            raise WindowError(f"No window can be opened: {problem}\n{_RECIPE}")

    def show(self, image: np.ndarray, title: str) -> bool:
        """Shows a picture and a title; says whether the window is still open.

        Args:
          image: uint8 `[H, W, 3]`, the size of the window's inside.
          title: what is written above the window.
        """
        try:
            self._connection.send((image, title))
        except OSError:
            return False
        return self._process.poll() is None

    def close(self) -> None:
        """Closes the window."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_SECONDS)
        self._process.kill()
        self._process.wait()

    def __exit__(self, *args: object) -> None:
        self.close()


def check_screen() -> None:
    """Raises a `WindowError` that tells what to do if there is no screen."""
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise WindowError(
            "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.\n"
            + _RECIPE
        )


def main(descriptor: str, title: str, width: str, height: str) -> None:
    """Shows what comes from a socket until the sender or the user ends it."""
    # Imported here, since only this process draws.
    import pygame

    with Connection(int(descriptor)) as connection:
        try:
            pygame.display.init()
            if pygame.display.get_driver() in ("dummy", "offscreen"):
                raise pygame.error("the system has no screen to draw on")
            screen = pygame.display.set_mode((int(width), int(height)))
        except pygame.error as error:
            connection.send(str(error))
            return
        pygame.display.set_caption(title)
        connection.send("")
        clock = pygame.time.Clock()
        # The sender closes its end, or is gone.
        with contextlib.suppress(EOFError, OSError):
            while True:
                for event in pygame.event.get():
                    if event.type == pygame.QUIT or (
                        event.type == pygame.KEYDOWN
                        and event.key in (pygame.K_ESCAPE, pygame.K_q)
                    ):
                        return
                clock.tick(30)
                while connection.poll():
                    image, title = connection.recv()
                    pygame.surfarray.blit_array(screen, image.swapaxes(0, 1))
                    pygame.display.set_caption(title)
                pygame.display.flip()


if __name__ == "__main__":
    main(*sys.argv[1:])
