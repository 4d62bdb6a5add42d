"""The baselines of the benchmarks are the same model as ours."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2 import agents
from planet_tf2.agents.planet import build
from planet_tf2.nets import weights
from planet_tf2.tools import seeds

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def baselines(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture(scope="module")
def model():
    return build.make_model(agents.resolve(), 6, 0)


def make_batch(size, length):
    random = np.random.default_rng(0)
    shape = (size, length, 64, 64, 3)
    return {
        "image": random.integers(0, 256, shape, np.uint8),
        "action": random.normal(size=(size, length, 6)).astype(np.float32),
        "reward": random.normal(size=(size, length)).astype(np.float32),
    }


@pytest.mark.slow
def test_plain_keras_has_the_same_losses(baselines, model):
    from baselines.plain_keras import PlainKeras

    plain = PlainKeras(6, weights.save_weights(model))
    batch = {k: tf.constant(v) for k, v in make_batch(2, 3).items()}
    image_seed, latent_seed = seeds.split(seeds.derive(5), 2)
    noise = model.cell.noise(latent_seed, [3, 2], observing=True)
    parts = seeds.random_bytes(image_seed, tf.shape(batch["image"]))
    dither = (tf.cast(parts, tf.float32) + 0.5) / 256
    expected = model.losses(model.prepare(batch, image_seed), latent_seed)
    actual = plain.losses(batch, noise, dither)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, 1e-4, err_msg=name)


@pytest.mark.slow
def test_pytorch_has_the_same_networks(baselines, model):
    torch = pytest.importorskip("torch")
    from baselines.pytorch import PyTorch, to_torch

    network = PyTorch(6)
    # PyTorch's recurrent cell has a second bias.
    ours = sum(int(np.prod(v.shape)) for v in model.groups["main"])
    theirs = sum(p.numel() for p in network.parameters())
    assert theirs == ours + 3 * 200
    arrays = weights.save_weights(model)
    load_convolutions(torch, network.encoder, arrays, "encoder/conv2d")
    image = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 64, 64, 3))
    image = image.astype(np.float32)
    expected = model.encoder(image[:, None])[:, 0].numpy()
    with torch.no_grad():
        channels_first = torch.from_numpy(image.transpose(0, 3, 1, 2).copy())
        actual = network.encoder(channels_first).numpy()
    # Flattened in another order.
    actual = actual.reshape(4, 256, 2, 2).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(actual.reshape(4, -1), expected, 1e-3, 1e-5)
    before = float(network.loss(to_torch(make_batch(2, 3))).detach())
    for _ in range(3):
        network.train_step(to_torch(make_batch(2, 3)))
    after = float(network.loss(to_torch(make_batch(2, 3))).detach())
    assert after < before
    state = {"sample": torch.zeros(1, 30), "belief": torch.zeros(1, 200)}
    assert network.plan(state).shape == (12, 6)


def load_convolutions(torch, network, arrays, scope):
    for index, conv in enumerate(network.convs):
        name = f"graph/{scope}" + (f"_{index}" if index else "")
        kernel = arrays[f"{name}/kernel"].transpose(3, 2, 0, 1)
        conv.weight.data = torch.from_numpy(kernel.copy())
        conv.bias.data = torch.from_numpy(arrays[f"{name}/bias"].copy())


def test_benchmarks_do_not_shadow_the_standard_library():
    own = {path.stem for path in BENCHMARKS.glob("*.py")}
    assert not own & sys.stdlib_module_names


VARIANTS = """
from absl import flags
import plan, train_step
from planet_tf2.agents.planet import build
from planet_tf2.training import assemble

made, make_model = [], build.make_model

def spy(params, *others):
    made.append(params["precision"])
    return make_model(params, *others)

build.make_model = spy
flags.FLAGS(["benchmark", "--config=debug"])
for program in (train_step, plan):
    for name in ("planet_tf2", "planet_tf2:bfloat16"):
        program.variant(name)
print(*made)
"""


def test_variants_have_the_precision_that_they_name():
    paths = [str(BENCHMARKS), str(BENCHMARKS.parent)]
    result = subprocess.run(
        [sys.executable, "-c", VARIANTS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["float32", "bfloat16"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("memory.py", "--episodes=2", "--updates=1"),
        ("epoch.py", "--params={tasks: [dummy], isolate_envs: process}"),
    ],
)
def test_benchmarks_that_train_find_what_they_measure(command):
    program, *arguments = command
    result = subprocess.run(
        [
            sys.executable,
            str(BENCHMARKS / program),
            "--config=debug",
            "--json",
            *arguments,
        ],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["package"] == str(BENCHMARKS.parent)
    assert min(found["figures"].values()) > 0


_SMALL = (
    "{batch_size: 2, batch_length: 3, imag_horizon: 3, dyn_deter: 8, "
    "dyn_hidden: 8, dyn_stoch: 4, dyn_discrete: 4, units: 8, "
    "encoder: {mlp_layers: 1, mlp_units: 8, cnn_depth: 2}, "
    "decoder: {mlp_layers: 1, mlp_units: 8, cnn_depth: 2}}"
)
DREAMER = """
import sys
import dreamer, variants
from absl import flags
from baselines.pytorch_dreamer import PyTorchDreamer

flags.FLAGS(sys.argv)
params = dreamer.parameters()
vectors = dreamer.seen_vectors()
theirs = PyTorchDreamer(params, vectors, 6)
print(*(sum(v.numel() for v in theirs.variables(x)) for x in theirs.groups))
optimizers = dreamer.make().learner.optimizers.values()
groups = [o.variables_to_train for o in optimizers]
print(*(sum(v.shape.num_elements() for v in group) for group in groups))
for part in ("model", "behavior", "policy"):
    dreamer.pytorch(part)()
"""


@pytest.mark.slow
@pytest.mark.parametrize("config", ["dmc_proprio", "dmc_vision"])
def test_pytorch_has_the_same_dreamer(config):
    pytest.importorskip("torch")
    paths = [str(BENCHMARKS), str(BENCHMARKS.parent)]
    arguments = [f"--config={config}", f"--params={_SMALL}"]
    result = subprocess.run(
        [sys.executable, "-c", DREAMER, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    theirs, ours = result.stdout.splitlines()
    assert theirs == ours
