"""Takes episodes of other programs in, hands ours out, says what there is.

    python scripts/episodes.py show PLACE ...
    python scripts/episodes.py import PLACE --out FOLDER
    python scripts/episodes.py export PLACE --format minari --out ID

PLACE is a folder of episodes of this program, of the original PlaNet or of
Dreamer, the folder of a run, a Minari data set by its id or path, or an HDF5
file that was exported. See docs/data.md.
"""

from absl import flags
from rich.console import Console

from planet_tf2.exchange import sources
from planet_tf2.exchange.export_episodes import export_hdf5, export_minari
from planet_tf2.exchange.import_episodes import import_episodes
from planet_tf2.exchange.overview import show
from planet_tf2.tools import command

FLAGS = flags.FLAGS

command.define_path(
    "out", None, "What to write: a folder, an HDF5 file, or a Minari id."
)
flags.DEFINE_enum("format", "minari", ["minari", "hdf5"], "What to export to.")
flags.DEFINE_integer(
    "image_size",
    None,
    "Side of imported images. Default: as they are if that suits, else 64.",
    1,
)
flags.DEFINE_float(
    "held_out",
    0.0,
    "Share of the imported episodes that goes to FOLDER/test_episodes.",
    0.0,
    1.0,
)
flags.DEFINE_boolean(
    "vector_actions",
    False,
    "Import several choices at once as one vector, which PlaNet needs.",
)

_COMMANDS = ("import", "export", "show")


def work(names: list[str]) -> None:
    what, places = names[:1], names[1:]
    if not what or what[0] not in _COMMANDS or not places:
        raise ValueError(
            f"Say import, export or show, and what. {' '.join(names)!r} is not "
            "such a command."
        )
    if what == ["show"]:
        found = [p for place in places for p in sources.find_folders(place)]
        show([sources.open_source(place) for place in found], Console())
        return
    if len(places) > 1 or not FLAGS.out:
        raise ValueError(f"To {what[0]}, name one place, and --out.")
    # What there is to learn from, if it is a run.
    source = sources.open_source(sources.find_folders(places[0])[0])
    if what == ["import"]:
        settings = FLAGS.image_size, FLAGS.held_out, FLAGS.vector_actions
        learn, test = import_episodes(source, FLAGS.out, *settings)
        held = f" and {test} held out" if test else ""
        print(f"Written: {learn} episodes{held} in {FLAGS.out}")
        return
    if source.kind != "folder":
        raise ValueError(
            f"Only folders of npz are exported: import {places[0]}."
        )
    write = {"minari": export_minari, "hdf5": export_hdf5}[FLAGS.format]
    print(f"Written: {write(source, FLAGS.out)}, from {source.place}")


if __name__ == "__main__":
    command.start(work, names=True)
