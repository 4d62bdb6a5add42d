"""A trained agent as functions without memory, to be exported.

All of them take and return dictionaries of tensors by flat names, so that a
format need not know nested ones:

    reset    -> state_*
    act      observation_*, state_*  -> action, state_*
    imagine  state_latent_*, action  -> observation_*, reward, state_latent_*

`imagine` is one step of the world model; what else the model predicts, such as
`cont`, is returned by its name. Functions that draw random numbers also take
`seed`, int32 `[2]`, or the noise itself, `noise_*`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2.agents.recurrent import RecurrentActor
from planet_tf2.evaluation.dreams import as_observed
from planet_tf2.evaluation.loading import LoadedRun
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.tools import seeds

Tensors = dict[str, tf.Tensor]
_SEED = tf.TensorSpec([2], tf.int32, "seed")


class Function(NamedTuple):
    """A function to be exported.

    Attributes:
      call: maps tensors by name, as keywords, to tensors by name.
      inputs: what it takes, by name.
      noise: of those that are noise, the kind: `normal`, `uniform`, `bytes`.
    """

    call: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]
    noise: dict[str, str] = {}

    def trace(self) -> Any:
        """Returns the function of one signature."""
        function = tf.function(self.call, autograph=False)
        return function.get_concrete_function(**self.inputs)


class Policy:
    """The functions of a run's agent.

    Args:
      run: the loaded run.
      batch_size: B, or None for any, where `reset` takes it as `batch`.

    Raises:
      UnusableRun: the agent cannot be exported.
    """

    def __init__(self, run: LoadedRun, batch_size: int | None = None):
        self._agent, self._batch = run.agent, batch_size
        actor = run.agent.actor()
        if not isinstance(actor, RecurrentActor):
            raise UnusableRun(
                f"The agent of {run.folder.path} cannot be exported: its actor"
                f" is {type(actor).__name__}, but must be a RecurrentActor of"
                " planet_tf2.agents.recurrent, whose step() keeps no variables."
            )
        if run.params.get("precision", "float32") != "float32":
            raise UnusableRun(
                f"The agent of {run.folder.path} computes in"
                f" {run.params['precision']}, but only float32 is exported."
            )
        self._actor: RecurrentActor = actor
        self._memory = actor.initial(1)
        names = [n for n, _ in _named("state", self._memory)]
        self._state = dict(
            zip(names, tf.nest.flatten(self._memory), strict=True)
        )
        self.observations = {
            flat_name("observation", name): name
            for name in run.agent.observation_space
        }

    def functions(self) -> dict[str, Function]:
        """Returns them by name; without a model there is no `imagine`."""
        state = {
            name: self._spec(name, x.shape[1:], x.dtype)
            for name, x in self._state.items()
        }
        latent = {n: x for n, x in state.items() if n in self._latent_names}
        space = self._agent.observation_space
        observed = {
            flat: self._spec(flat, space[name].shape, space[name].dtype)
            for flat, name in self.observations.items()
        }
        acted = self._agent.action_space
        action = {"action": self._spec("action", acted.shape, acted.dtype)}
        batch = {"batch": tf.TensorSpec([], tf.int32, "batch")}
        seed = {"seed": _SEED}
        found = {
            "reset": Function(self._reset, {} if self._batch else batch),
            "act": Function(self._act, {**observed, **state, **seed}),
        }
        if self._agent.has_model:
            inputs = {**latent, **action, **seed}
            found["imagine"] = Function(self._imagine, inputs)
        return found

    @property
    def _latent_names(self) -> list[str]:
        latent = self._memory["latent"]
        return [n for n, _ in _named(flat_name("state", "latent"), latent)]

    def _spec(self, name: str, shape: Any, dtype: Any) -> tf.TensorSpec:
        return tf.TensorSpec([self._batch, *shape], dtype, name)

    def _reset(self, batch: int | tf.Tensor | None = None) -> Tensors:
        batch = self._batch if batch is None else batch
        return dict(_named("state", self._actor.initial(batch)))

    def _act(self, seed: tf.Tensor, **inputs: tf.Tensor) -> Tensors:
        observ = {n: inputs[flat] for flat, n in self.observations.items()}
        memory = tf.nest.pack_sequence_as(
            self._memory, [inputs[name] for name in self._state]
        )
        action, memory = self._actor.step(memory, observ, 0.0, seed)
        return {"action": action, **dict(_named("state", memory))}

    def _imagine(
        self, seed: tf.Tensor, action: tf.Tensor, **inputs: tf.Tensor
    ) -> Tensors:
        state = tf.nest.pack_sequence_as(
            self._memory["latent"], [inputs[n] for n in self._latent_names]
        )
        found = self._agent.imagine(state, action[:, None], seed)
        mean = as_observed(self._agent, found.mean)
        seen = {name: flat for flat, name in self.observations.items()}
        latent = _named(flat_name("state", "latent"), found.state)
        return {name: x[:, 0] for name, x in latent} | {
            seen.get(name) or flat_name(name): x[:, 0]
            for name, x in mean.items()
        }


def without_unused(functions: Mapping[str, Function]) -> dict[str, Function]:
    """Returns the same functions without what changes nothing.

    These are inputs, and entries of a state that no function takes.
    """
    used = {name: _used(function) for name, function in functions.items()}
    taken = {x for names in used.values() for x in names}

    def is_kept(name: str) -> bool:
        return name in taken or not name.startswith("state_")

    return {
        name: _restricted(function, used[name], is_kept)
        for name, function in functions.items()
    }


def _used(function: Function) -> set[str]:
    """Returns the names of the inputs that outputs depend on."""
    graph = function.trace().graph
    seen: set[int] = set()
    waiting = [x.op for x in graph.outputs]
    while waiting:
        if id(op := waiting.pop()) not in seen:
            seen.add(id(op))
            waiting += [x.op for x in op.inputs]
    return {x.op.name for x in graph.inputs if id(x.op) in seen}


def _restricted(
    function: Function, used: set[str], is_kept: Callable[[str], bool]
) -> Function:
    unused = [x for n, x in function.inputs.items() if n not in used]

    def call(**inputs: tf.Tensor) -> Tensors:
        # None of these shapes is looked at, so any batch will do.
        nothing = {
            spec.name: tf.zeros([size or 1 for size in spec.shape], spec.dtype)
            for spec in unused
        }
        found = function.call(**nothing, **inputs)
        return {name: x for name, x in found.items() if is_kept(name)}

    inputs, noise = (
        {name: x for name, x in named.items() if name in used}
        for named in (function.inputs, function.noise)
    )
    return Function(call, inputs, noise)


def with_noise(function: Function) -> Function:
    """Returns the same function with noise as inputs in place of a seed.

    Its graph has no random numbers, and no loop that would draw some. The
    batch must have a size.
    """
    if "seed" not in function.inputs:
        return function
    kinds: list[str] = []
    drawn = _drawing(function, kinds)(tf.zeros([2], tf.int32))
    specs = {
        name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in drawn.items()
    }

    def call(**inputs: tf.Tensor) -> Tensors:
        noise = iter([inputs.pop(name) for name in specs])
        with seeds.noise_from(lambda kind, drawn: next(noise)):
            return function.call(seed=tf.zeros([2], tf.int32), **inputs)

    inputs = {n: x for n, x in function.inputs.items() if n != "seed"}
    of_kind = dict(zip(specs, kinds, strict=True))
    return Function(call, {**inputs, **specs}, of_kind)


def noise_source(function: Function) -> Callable[[tf.Tensor], Tensors]:
    """Returns what maps a seed, int32 `[2]`, to the noise that it stands for.

    With it what `with_noise` has made does what the function itself does.
    """
    return _drawing(function, [])


def _drawing(
    function: Function, kinds: list[str]
) -> Callable[[tf.Tensor], Tensors]:
    """Returns a graph of all that is drawn, and adds the kinds to a list."""

    def draw(seed: tf.Tensor) -> Tensors:
        def note(kind: str, noise: tf.Tensor) -> tf.Tensor:
            kinds.append(kind)
            found.append(noise)
            return noise

        found: list[tf.Tensor] = []
        inputs = {
            name: tf.zeros(spec.shape, spec.dtype)
            for name, spec in function.inputs.items()
            if name != "seed"
        }
        with seeds.noise_from(note):
            function.call(seed=seed, **inputs)
        return {f"noise_{number}": x for number, x in enumerate(found)}

    return tf.function(draw, autograph=False)


def flat_name(*parts: str) -> str:
    """Joins names to one that every format can have."""
    return re.sub(r"\W", "_", "_".join(parts))


def _named(name: str, tree: Any) -> Iterator[tuple[str, tf.Tensor]]:
    """Yields the tensors of nested dictionaries in the order of `tf.nest`."""
    if not isinstance(tree, dict):
        yield name, tree
        return
    for key in sorted(tree):
        yield from _named(flat_name(name, key), tree[key])


def describe_space(space: gymnasium.Space) -> dict[str, Any]:
    """Returns a space for people and programs, without the batch."""
    found = {"shape": list(space.shape), "dtype": np.dtype(space.dtype).name}
    if isinstance(space, gymnasium.spaces.Box):
        for name in ("low", "high"):
            values = np.unique(getattr(space, name))
            found[name] = values.tolist()[0] if len(values) == 1 else "varies"
    elif isinstance(space, gymnasium.spaces.Discrete):
        found |= {"choices": int(space.n), "start": int(space.start)}
    else:
        found["choices"] = np.asarray(space.nvec).tolist()
    return found
