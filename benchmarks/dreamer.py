"""How long are the parts of DreamerV3, beside a plain form of it in PyTorch?

A step of the world model and one of actor and critic, each with its optimizer;
20 calls of the policy for one environment; and a thousand decisions in one,
with its simulator. By default the sizes of `dmc_proprio`; `--config=dmc_vision`
has images.
"""

import functools
from collections.abc import Callable
from typing import Any

import cases
import gymnasium
import harness
import numpy as np
import tensorflow as tf
import variants
from absl import flags

from planet_tf2.agents import dreamer
from planet_tf2.configs import environments
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.envs import Async, BatchEnv
from planet_tf2.tools import seeds
from planet_tf2.training import assemble

FLAGS = flags.FLAGS
FLAGS.set_default("config", "dmc_proprio")
FLAGS.set_default("variants", ["planet_tf2", "pytorch"])

_PARTS = ["model", "behavior", "policy", "decisions"]
flags.DEFINE_list("parts", _PARTS, f"What to time: {', '.join(_PARTS)}.")

_CALLS, _DECISIONS = 20, 1000
# What walker_walk observes.
_VECTORS = {"orientations": 14, "height": 1, "velocity": 9}


def parameters(**changes: Any) -> dict[str, Any]:
    return cases.params("", "dreamer", **changes)


def space() -> gymnasium.spaces.Dict:
    size = parameters()["image_size"]
    image = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
    vectors = {
        name: gymnasium.spaces.Box(-np.inf, np.inf, (entries,), np.float32)
        for name, entries in _VECTORS.items()
    }
    return gymnasium.spaces.Dict({"image": image, **vectors})


def seen_vectors() -> dict[str, int]:
    """Returns the sizes of the vectors that are seen, by name."""
    images = parameters()["encoder"]["cnn_keys"] != "$^"
    return {} if images else _VECTORS


def make(**changes: Any) -> Any:
    """Makes the agent."""
    params = parameters(**changes)
    actions = gymnasium.spaces.Box(-1, 1, (cases.ACTION_SIZE,), np.float32)
    return dreamer.make_agent(params, space(), actions)


def open_env() -> Async:
    """Opens the environment of the task, in a process of its own."""
    params = parameters()
    interface = assemble.shared_interface(params, dreamer)
    return environments.open_env(params["tasks"][0], params, **interface)


def batch(shape: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Returns random sequences of a shape by name, as they are stored."""
    params = parameters()
    leading = params["batch_size"], params["batch_length"]
    random = np.random.default_rng(0)
    found = {
        name: random.uniform(-1, 1, (*leading, *rest)).astype(np.float32)
        for name, rest in shape.items()
    }
    if "image" in shape:
        pixels = (*leading, *shape["image"])
        found["image"] = random.integers(0, 256, pixels, np.uint8)
    first = np.zeros(leading, bool)
    first[:, 0] = True
    return {**found, "is_first": first, "terminal": np.zeros(leading, bool)}


def ours(part: str, **changes: Any) -> Callable[[], Any]:
    """Makes a function that computes a part once."""
    agent = make(**changes)
    inputs = {k: tf.constant(x) for k, x in batch(agent.batch_spec).items()}
    seed = seeds.derive(0)
    if part == "policy":
        actor, count = agent.actor(1), tf.range(1)
        seen = {name: inputs[name][:1, 0] for name in agent.model.observations}
        act = tf.function(actor.perform, autograph=False)
        one = tf.constant(1.0)
        return lambda: [
            act(count, seen, one, seed).numpy() for _ in range(_CALLS)
        ]
    if part == "decisions":
        batched = InGraphBatchEnv(BatchEnv([open_env()]))
        rollout = Rollout(agent.actor(1), batched)
        return lambda: rollout.steps(_DECISIONS, [0], seed, 1.0)
    learner = agent.learner
    model, behavior = (
        tf.function(step, autograph=False)
        for step in (learner.update_model, learner.update_behavior)
    )
    if part == "model":
        return lambda: model(inputs, seed)[0]["model"].numpy()
    _, context = model(inputs, seed)
    return lambda: behavior(context, seed)["actor"].numpy()


def pytorch(part: str) -> Callable[[], Any]:
    """Makes a function that computes a part once, with PyTorch.

    Raises:
      harness.Missing: there is no PyTorch, or ours would have a GPU.
    """
    torch = variants.torch()
    from baselines.pytorch_dreamer import PyTorchDreamer

    params = parameters()
    vectors = seen_vectors()
    agent = PyTorchDreamer(params, vectors, cases.ACTION_SIZE)
    shape = {name: (entries,) for name, entries in vectors.items()}
    if not vectors:
        shape["image"] = space()["image"].shape
    shape |= {"action": (cases.ACTION_SIZE,), "reward": ()}
    inputs = {k: torch.from_numpy(x) for k, x in batch(shape).items()}
    if part == "model":
        return functools.partial(agent.train_model, inputs)
    states = agent.train_model(inputs)
    if part == "behavior":
        return functools.partial(agent.train_behavior, states)
    state = {name: x[:1] for name, x in states.items()}
    seen = {name: x[:1, 0] for name, x in inputs.items()}
    first = torch.zeros(1, dtype=torch.bool)
    if part == "decisions":
        act = functools.partial(pytorch_decides, agent, torch)
        return functools.partial(play, open_env(), act, state, seen["action"])
    return lambda: [
        agent.act(state, seen["action"], seen, first)[1].numpy()
        for _ in range(_CALLS)
    ]


def pytorch_decides(
    agent: Any,
    torch: Any,
    before: tuple[Any, Any],
    observ: dict[str, np.ndarray],
    is_first: bool,
) -> tuple[Any, Any]:
    """Takes a decision in one environment, given the state and action before.

    Returns:
      The state and the action after that.
    """
    seen = {
        name: torch.from_numpy(np.asarray(x))[None]
        for name, x in observ.items()
    }
    return agent.act(*before, seen, torch.tensor([is_first]))


def play(env: Async, act: Callable[..., tuple], *after: Any) -> None:
    """Takes a thousand decisions, in new episodes where one ends."""
    done = True
    for _ in range(_DECISIONS):
        is_first = done
        if done:
            observ, _ = env.reset(seed=0)
        after = act(after, observ, is_first)
        observ, _, ended, cut, _ = env.step(after[1].numpy()[0])
        done = ended or cut


def variant(name: str, part: str) -> Callable[[], Any]:
    kind, _, detail = name.partition(":")
    if kind == "pytorch":
        return pytorch(part)
    if kind != "planet_tf2":
        raise harness.Missing(
            f"There is no variant {name!r}. Choose planet_tf2, "
            "planet_tf2:bfloat16, pytorch, pytorch:tcmalloc."
        )
    return ours(part, **({"precision": detail} if detail else {}))


def run() -> harness.Result:
    times = {}
    for part in FLAGS.parts:
        functions = variants.make_all(
            functools.partial(variant, part=part), [f"--parts={part}"]
        )
        warmup = 3 if part == "policy" else 1
        found = harness.time_in_turn(functions, warmup=warmup)
        times |= {f"{part}/{name}": ts for name, ts in found.items()}
    rows, figures = [], {}
    for name, ts in times.items():
        first = times[f"{name.split('/')[0]}/{FLAGS.variants[0]}"]
        median, base = np.median(ts), np.median(first)
        figures[f"seconds/{name}"] = float(median)
        rows.append((name, median, min(ts), max(ts), median / base))
    headers = ("part", "median s", "min s", "max s", "time / first")
    sizes = "{batch_size} x {batch_length}, horizon {imag_horizon}"
    title = f"DreamerV3, {FLAGS.config}: {sizes}".format(**parameters())
    rounds = len(next(iter(times.values())))
    return harness.Result(title, headers, rows, figures, rounds=rounds)


if __name__ == "__main__":
    harness.main(run)
