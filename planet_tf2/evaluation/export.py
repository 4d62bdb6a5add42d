"""Writes a trained agent in the formats of other programs."""

import importlib
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.configs.tasks import get_task
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.loading import LoadedRun, load_run
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.policy import (
    Function,
    Policy,
    Tensors,
    describe_space,
    with_noise,
    without_unused,
)
from planet_tf2.tools.command import native_stderr_silenced
from planet_tf2.tools.nearest import did_you_mean
from planet_tf2.version import __version__

Functions = Mapping[str, Function]

DESCRIPTION = "policy.json"
_OPSET = 18
_ONE = np.float32(1)


class ExportError(ValueError):
    """What cannot be exported, and why."""


def export(
    folder: RunFolder,
    format: str,
    out: str | os.PathLike[str],
    batch: int | None = None,
    checkpoint: str | int | None = None,
) -> pathlib.Path:
    """Writes the agent of a run into a new folder, whole or not at all.

    Args:
      folder: the run's folder.
      format: one of `FORMATS`.
      out: the new folder.
      batch: B, how many environments one call is about; by default any number
        for `saved_model`, and 1 for the others.
      checkpoint: which one; see `load_agent`.

    Returns:
      The new folder.

    Raises:
      ValueError: there is no such format, a package is missing, `out` exists
        or is in the run's folder, or the agent cannot be exported.
    """
    write = _find(format)
    out = pathlib.Path(out)
    if os.path.lexists(out):
        raise ExportError(f"{out} exists already. Name a new folder.")
    check_outside(out, [folder])
    run = load_run(folder, checkpoint)
    by_seed = format == "saved_model"
    functions: Functions = Policy(
        run, batch or (None if by_seed else 1)
    ).functions()
    if not by_seed:
        functions = {n: with_noise(f) for n, f in functions.items()}
    functions = without_unused(functions)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export") as made:
        place = pathlib.Path(made, "policy")
        place.mkdir()
        outputs = write(functions, place)
        _describe(run, format, functions, outputs, place)
        place.rename(out)
    return out


def _find(format: str) -> Callable[[Functions, pathlib.Path], Any]:
    if format not in FORMATS:
        raise ExportError(
            f"There is no format {format!r}.{did_you_mean(format, FORMATS)}"
            f" Known are {', '.join(FORMATS)}."
        )
    if format == "onnx":
        _tf2onnx()
    return FORMATS[format]


def _tf2onnx() -> Any:
    try:
        return importlib.import_module("tf2onnx.convert")
    except ImportError as error:
        raise ExportError(
            f"ONNX needs the package tf2onnx, which cannot be imported ({error}"
            "). Install it: pip install 'planet_tf2[export]'"
        ) from None


def _write_saved_model(
    functions: Functions, place: pathlib.Path
) -> dict[str, Any]:
    graphs = {name: function.trace() for name, function in functions.items()}
    module = tf.Module()
    module.weights = list(
        {id(v): v for g in graphs.values() for v in g.variables}.values()
    )
    with native_stderr_silenced():
        tf.saved_model.save(module, str(place), signatures=graphs)
    return {name: graph.structured_outputs for name, graph in graphs.items()}


def _write_tflite(functions: Functions, place: pathlib.Path) -> dict[str, Any]:
    """Writes one file with all signatures, of TFLite's own operations only."""
    with tempfile.TemporaryDirectory() as saved, native_stderr_silenced():
        outputs = _write_saved_model(functions, pathlib.Path(saved))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved, signature_keys=list(functions)
        )
        try:
            content = converter.convert()
        except Exception as error:  # Of a kind that is not public.
            raise ExportError(
                "TFLite cannot hold this agent: "
                f"{str(error).strip().splitlines()[0]}"
            ) from error
    (place / "policy.tflite").write_bytes(content)
    return outputs


def _write_onnx(functions: Functions, place: pathlib.Path) -> dict[str, Any]:
    """Writes a file for each function, `NAME.onnx`."""
    convert, outputs = _tf2onnx(), {}
    defs = importlib.import_module("onnx.defs")
    for name, function in functions.items():
        graph = tf.function(_by_position(function), autograph=False)
        specs = list(function.inputs.values())
        outputs[name] = graph.get_concrete_function(*specs).structured_outputs
        with native_stderr_silenced():
            model, _ = convert.from_function(
                graph,
                specs,
                opset=_OPSET,
                custom_op_handlers={
                    "Expm1": (_expm1, []),
                    "Log1p": (_log1p, []),
                },
            )
        known = {x.name for x in defs.get_all_schemas()}
        unknown = {n.op_type for n in model.graph.node} - known
        if unknown:
            raise ExportError(
                f"ONNX cannot hold this agent: {name} needs"
                f" {', '.join(sorted(unknown))}."
            )
        (place / f"{name}.onnx").write_bytes(model.SerializeToString())
    return outputs


def _by_position(function: Function) -> Callable[..., Tensors]:
    """Returns the function with inputs in order, and outputs named anew.

    No two tensors may have one name.
    """
    renamed = {name: f"next_{name}" for name in function.inputs}

    def call(*inputs: tf.Tensor) -> Tensors:
        named = zip(function.inputs, inputs, strict=True)
        found = function.call(**dict(named))
        return {renamed.get(name, name): x for name, x in found.items()}

    return call


def _expm1(graph: Any, node: Any, name: str, args: Any) -> None:
    """Converts what tf2onnx does not know, exp(x) - 1."""
    del args
    _chain(
        graph, node, ("Exp", []), ("Sub", [graph.make_const(f"{name}/1", _ONE)])
    )


def _log1p(graph: Any, node: Any, name: str, args: Any) -> None:
    """Converts what tf2onnx does not know, log(1 + x)."""
    del args
    _chain(
        graph, node, ("Add", [graph.make_const(f"{name}/1", _ONE)]), ("Log", [])
    )


def _chain(graph: Any, node: Any, first: Any, second: Any) -> None:
    """Puts two operations in the place of a node."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    between = graph.make_node(
        first[0], [*node.input, *(x.output[0] for x in first[1])]
    )
    graph.make_node(
        second[0],
        [between.output[0], *(x.output[0] for x in second[1])],
        name=node.name,
        outputs=node.output,
        shapes=shapes,
        dtypes=dtypes,
    )


FORMATS: dict[str, Callable[[Functions, pathlib.Path], Any]] = {
    "saved_model": _write_saved_model,
    "tflite": _write_tflite,
    "onnx": _write_onnx,
}


def _describe(
    run: LoadedRun,
    format: str,
    functions: Functions,
    outputs: Mapping[str, Mapping[str, Any]],
    place: pathlib.Path,
) -> None:
    """Writes what people and programs have to know beside the graphs."""
    tasks, agent = list(run.params["tasks"]), run.agent
    repeats = get_task(tasks[0]).action_repeat
    about = {
        "written_by": f"planet_tf2 {__version__}, see its docs/export.md",
        "format": format,
        "tasks": tasks,
        "action_repeat": run.params["action_repeat"] or repeats,
        "step": run.step,
        "observation": {
            name: describe_space(space)
            for name, space in agent.observation_space.items()
        },
        "action": describe_space(agent.action_space),
        "functions": {
            name: {
                "inputs": {
                    key: _tensor(spec) | _drawn(key, function)
                    for key, spec in function.inputs.items()
                },
                "outputs": {k: _tensor(x) for k, x in outputs[name].items()},
            }
            for name, function in functions.items()
        },
    }
    text = json.dumps(about, indent=1) + "\n"
    (place / DESCRIPTION).write_text(text)


def _tensor(tensor: Any) -> dict[str, Any]:
    """Returns shape and type of a tensor or of its specification."""
    shape = tensor.shape.as_list()
    return {"shape": shape, "dtype": tensor.dtype.name}


def _drawn(name: str, function: Function) -> dict[str, str]:
    kind = function.noise.get(name)
    return {"noise": kind} if kind else {}
