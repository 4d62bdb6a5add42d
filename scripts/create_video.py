"""Turns image strips into videos.

    python scripts/create_video.py --strip strip.png --out video.gif

A strip has time to the right and a row for each sequence, as TensorBoard shows
them and scripts/fetch_events.py writes them. Several strips, or a folder of
them, become a GIF each, in the folder --out; where names of files in a folder
have the word strip in them, other pictures are left out.
"""

from absl import flags

from planet_tf2.evaluation import strips
from planet_tf2.tools import command
from planet_tf2.tools.odd_paths import matching_paths

FLAGS = flags.FLAGS

command.define_paths(
    "strip", None, "PNG file, folder, or pattern such as 'strips/*.png'."
)
command.define_path("out", "video.gif", "GIF or MP4 file, or a folder.")
flags.DEFINE_float("fps", 10, "Frames per second.", 0.1, 50)
flags.DEFINE_integer(
    "rows", None, "Rows to keep below each other; more go beside them.", 1
)
flags.DEFINE_integer("scale", 2, "Times to enlarge the frames.", 1)
flags.DEFINE_list(
    "frame_size",
    None,
    "Height and width of a frame, such as 64,64, where no lines tell.",
)


def work(names: list[str]) -> None:
    paths = []
    for name in [*(FLAGS.strip or []), *names]:
        # What matches nothing stays, to be complained about.
        paths += matching_paths(name)
    words = FLAGS.frame_size or []
    if len(words) not in (0, 2) or not all(map(str.isdecimal, words)):
        raise ValueError("--frame_size must be two numbers, such as 64,64.")
    size = [*map(int, words)] or None
    strips.create_videos(
        paths, FLAGS.out, FLAGS.fps, FLAGS.rows, FLAGS.scale, size
    )


if __name__ == "__main__":
    command.start(work, names=True)
