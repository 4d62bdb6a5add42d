"""Tells how the variables of two checkpoints differ."""

import re
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

_SHOWN = 3  # Variables that are named of each kind.
# How TensorFlow calls what describes the objects, and the values of variables.
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_INNER = "/_adam/"  # Variables that an optimizer keeps for itself.


def describe_differences(there: str, here: str) -> str:
    """Lists variables that have other shapes or types, or are missing.

    Args:
      there: path of a checkpoint.
      here: path of a checkpoint of this program.

    Returns:
      One line, empty if there is no difference of this kind.
    """
    old, new = _variables(there), _variables(here)
    changed = {
        name: f"{name} has {old[name]} there and {new[name]} here"
        for name in sorted(set(old) & set(new))
        if old[name] != new[name]
    }
    kinds = (
        ("", changed),
        ("it lacks ", {name: name for name in sorted(set(new) - set(old))}),
        (
            "this program lacks its ",
            {name: name for name in sorted(set(old) - set(new))},
        ),
    )
    return "; ".join(
        f"{kind}{_enumerate(texts)}" for kind, texts in kinds if texts
    )


def _enumerate(texts: dict[str, str]) -> str:
    # The optimizer follows the model, and its variables have no names.
    chosen = [text for name, text in texts.items() if _INNER not in name]
    chosen = chosen or list(texts.values())
    more = f" and {len(chosen) - _SHOWN} more" * (len(chosen) > _SHOWN)
    return ", ".join(chosen[:_SHOWN]) + more


def _variables(path: str) -> dict[str, str]:
    """Returns type and shape of the variables in a checkpoint, by name."""
    reader = tf.train.load_checkpoint(path)
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(_OBJECTS))
    names = {}
    for attribute in (a for node in graph.nodes for a in node.attributes):
        key, name = attribute.checkpoint_key, attribute.full_name
        # Keras' names say where a variable is; those of plain ones do not, and
        # those of its optimizers are the same for all optimizers.
        if "/" in name and _INNER not in key:
            names[key] = name
    names = dict(zip(names, _renumber(list(names.values())), strict=True))
    return {
        names.get(key, key.removesuffix(_SUFFIX)): (
            f"{types[key].name} shape {tuple(shape)}"
        )
        for key, shape in sorted(shapes.items(), key=lambda x: _INNER in x[0])
        if key.endswith(_SUFFIX) and not key.startswith("save_counter/")
    }


def _renumber(names: list[str]) -> list[str]:
    """Numbers the layers of a kind from 0 on.

    Keras goes on counting from one model to the next within a process.
    """
    numbers: dict[tuple[str, ...], set[int]] = {}
    for name in names:
        for kind, number in _kinds(name):
            numbers.setdefault(kind, set()).add(number)
    result = []
    for name in names:
        ranks = [
            (kind[-1], sorted(numbers[kind]).index(number))
            for kind, number in _kinds(name)
        ]
        parts = [f"{base}_{rank}" if rank else base for base, rank in ranks]
        result.append("/".join(parts))
    return result


def _kinds(name: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Splits `cell_2/dense_7` into `(cell,), 2` and `(cell, dense), 7`."""
    kind: tuple[str, ...] = ()
    for part in name.split("/"):
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", part)
        kind = (*kind, match[1])
        yield kind, int(match[2] or 0)
