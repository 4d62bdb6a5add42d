"""Tells how the variables of two checkpoints differ."""

import re

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

_SHOWN = 3  # Variables that are named of each kind.
# How TensorFlow calls what describes the objects, and the values of variables.
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_LAYER = re.compile(r"(.*?)(?:_(\d+))?")
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
    names = sorted({*old, *new})
    changed = [
        f"{name} has {old[name]} there and {new[name]} here"
        for name in names
        if name in old and name in new and old[name] != new[name]
    ]
    parts = [
        ("", changed),
        ("it lacks ", [name for name in names if name not in old]),
        ("this program lacks its ", [n for n in names if n not in new]),
    ]
    return "; ".join(f"{kind}{_join(texts)}" for kind, texts in parts if texts)


def _join(texts: list[str]) -> str:
    # The optimizer follows the model, and its variables have no names.
    texts = [text for text in texts if _INNER not in text] or texts
    shown = ", ".join(texts[:_SHOWN])
    left = len(texts) - _SHOWN
    return f"{shown} and {left} more" if left > 0 else shown


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
        for key, shape in shapes.items()
        if key.endswith(_SUFFIX)
        and not key.startswith(("save_counter/", "run_id/"))
    }


def _renumber(names: list[str]) -> list[str]:
    """Numbers the layers of a kind from 0 on: `cell/dense_7` is `cell/dense_1`.

    Keras goes on counting from one model to the next within a process.
    """
    numbers: dict[tuple[str, ...], set[int]] = {}
    split = []
    for name in names:
        matches = [_LAYER.fullmatch(part) for part in name.split("/")]
        kinds = [match[1] for match in matches]
        split.append([])
        for depth, match in enumerate(matches, 1):
            kind, number = tuple(kinds[:depth]), int(match[2] or 0)
            numbers.setdefault(kind, set()).add(number)
            split[-1].append((kind, number))
    return [
        "/".join(
            f"{kind[-1]}_{rank}" if rank else kind[-1]
            for kind, number in parts
            for rank in [sorted(numbers[kind]).index(number)]
        )
        for parts in split
    ]
