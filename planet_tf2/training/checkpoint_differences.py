"""Tells how the variables of two checkpoints differ."""

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
    names = {**_names(there), **_names(here)}
    changed = [
        f"{names[key]} has {old[key]} there and {new[key]} here"
        for key in old
        if key in new and old[key] != new[key] and _INNER not in key
    ]
    lacking = [names[key] for key in new if key not in old]
    foreign = [names[key] for key in old if key not in new]
    parts = [
        ("", changed),
        ("it lacks ", lacking),
        ("this program lacks its ", foreign),
    ]
    return "; ".join(f"{kind}{_join(texts)}" for kind, texts in parts if texts)


def _join(texts: list[str]) -> str:
    # The optimizer follows the model, and its variables have no names.
    texts = [text for text in texts if _INNER not in text] or texts
    shown = ", ".join(texts[:_SHOWN])
    left = len(texts) - _SHOWN
    return f"{shown} and {left} more" if left > 0 else shown


def _variables(path: str) -> dict[str, str]:
    """Returns type and shape of the variables in a checkpoint, by key."""
    reader = tf.train.load_checkpoint(path)
    types = reader.get_variable_to_dtype_map()
    return {
        key: f"{types[key].name} shape {tuple(shape)}"
        for key, shape in sorted(reader.get_variable_to_shape_map().items())
        if key.endswith(_SUFFIX) and not key.startswith("save_counter/")
    }


def _names(path: str) -> dict[str, str]:
    """Returns names of variables for people, by key."""
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    reader = tf.train.load_checkpoint(path)
    graph.ParseFromString(reader.get_tensor(_OBJECTS))
    names = {}
    for attribute in (a for node in graph.nodes for a in node.attributes):
        key, name = attribute.checkpoint_key, attribute.full_name
        # Keras' names say where a variable is; those of plain ones do not, and
        # those of its optimizers are the same for all optimizers.
        says_where = "/" in name and _INNER not in key
        names[key] = name if says_where else key.removesuffix(_SUFFIX)
    return names
