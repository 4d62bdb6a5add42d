"""What is exported does what the loaded agent does."""

import dataclasses
import sys

import doc_files
import numpy as np
import pytest
import tensorflow as tf
from export_cases import AGENTS, Exported, as_run
from small_runs import snapshot

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import export as exporting
from planet_tf2.evaluation.loading import LoadedAgent
from planet_tf2.evaluation.policy import Policy, noise_source
from planet_tf2.tools import seeds

STEPS = 8
CASES = [
    *((agent, "saved_model") for agent in ("cem", "vectors")),
    *((agent, "tflite") for agent in ("cem", "choices")),
    *((agent, "onnx") for agent in ("cem", "icem", "vectors", "choices")),
]


@pytest.fixture
def run(request, tmp_path, monkeypatch):
    agent, params = AGENTS[request.param]()
    run = as_run(agent, params, tmp_path / "run")
    monkeypatch.setattr(exporting, "load_run", lambda *args: run)
    return run


def observe(run, rng):
    """Draws an observation of the agent's."""
    return {
        name: rng.integers(0, 256, space.shape, np.uint8)
        if space.dtype == np.uint8
        else rng.normal(size=space.shape).astype(np.float32)
        for name, space in run.agent.observation_space.items()
    }


class Source:
    """Gives what is random to an exported function, for a seed."""

    def __init__(self, run, exported):
        self._by_noise = exported.about["format"] != "saved_model"
        if self._by_noise:
            functions = Policy(run, 1).functions()
            self._noise = {
                n: noise_source(f)
                for n, f in functions.items()
                if "seed" in f.inputs
            }

    def __call__(self, name, *numbers):
        seed = seeds.derive(*numbers)
        if not self._by_noise:
            return {"seed": seed}
        return {n: x.numpy() for n, x in self._noise[name](seed).items()}


@pytest.mark.slow
@pytest.mark.parametrize("run, form", CASES, indirect=["run"])
def test_acts_and_imagines_as_the_loaded_agent(run, form, tmp_path):
    out = exporting.export(run.folder, form, tmp_path / "out")
    exported = Exported(out)
    draw, rng = Source(run, exported), np.random.default_rng(0)
    agent = LoadedAgent(run, seed=3)
    state = exported("reset", batch=1)
    for time in range(STEPS):
        observation = observe(run, rng)
        given = {f"observation_{k}": x[None] for k, x in observation.items()}
        noise = draw("act", 3, 1, 0, time)
        state = exported("act", **given, **state, **noise)
        action = state.pop("action")
        expected = agent.act(observation)
        assert action.dtype == expected.dtype
        np.testing.assert_allclose(action[0], expected, atol=1e-5)
    noise = draw("imagine", 3, 2, 0, STEPS)
    found = exported("imagine", action=action, **state, **noise)
    expected = agent.imagine(action)
    np.testing.assert_allclose(found["reward"], expected.reward, atol=1e-5)
    if "image" in run.agent.observation_space.spaces:
        image = found["observation_image"][0].astype(int)
        assert np.abs(image - expected.image[0]).max() <= 1
    again = exported("imagine", **{**state, **found}, action=action, **noise)
    assert np.isfinite(again["reward"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("run", ["vectors"], indirect=True)
@pytest.mark.parametrize("form", exporting.FORMATS)
def test_examples_of_the_documentation(run, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exporting.export(run.folder, form, "exported")
    opens = {
        "saved_model": "saved_model.load",
        "tflite": "tf.lite",
        "onnx": "onnxruntime",
    }
    blocks = doc_files.blocks(doc_files.read("docs/export.md"), "python")
    (code,) = (block for block in blocks if opens[form] in block)
    names = {}
    exec(compile(code, "docs/export.md", "exec"), names)
    assert names["action"].shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["cem", "vectors"], indirect=True)
def test_a_saved_model_takes_any_batch(run, tmp_path):
    out = exporting.export(run.folder, "saved_model", tmp_path / "out")
    exported, rng = Exported(out), np.random.default_rng(0)
    observations = [observe(run, rng) for _ in range(3)]
    given = {
        f"observation_{name}": np.stack([x[name] for x in observations])
        for name in observations[0]
    }
    state = exported("reset", batch=3)
    found = exported("act", **given, **state, seed=seeds.derive(1))
    assert found["action"].shape == (3, 2)
    assert found["state_action"].shape == (3, 2)


@pytest.mark.parametrize("run", ["vectors"], indirect=True)
class TestMistakes:
    def export(self, tmp_path, form="saved_model", out="out"):
        return exporting.export(
            RunFolder(tmp_path / "run"), form, tmp_path / out
        )

    def test_unknown_format(self, run, tmp_path):
        with pytest.raises(ValueError, match="'onxx'.*onnx.*Known are saved"):
            self.export(tmp_path, "onxx")

    def test_places(self, run, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "run").mkdir()
        with pytest.raises(ValueError, match="exists already"):
            self.export(tmp_path, out="there")
        with pytest.raises(ValueError, match="in the folder of the run"):
            self.export(tmp_path, out="run/out")

    def test_missing_package(self, run, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tf2onnx.convert", None)
        with pytest.raises(ValueError, match=r"pip install .*\[export\]"):
            self.export(tmp_path, "onnx")

    def test_other_precision(self, run, tmp_path, monkeypatch):
        params = dict(run.params, precision="bfloat16")
        other = dataclasses.replace(run, params=params)
        monkeypatch.setattr(exporting, "load_run", lambda *args: other)
        with pytest.raises(ValueError, match="bfloat16, but only float32"):
            self.export(tmp_path)

    def test_actors_that_keep_their_memory(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(
            type(run.agent), "actor", lambda *args: tf.Module("own")
        )
        with pytest.raises(ValueError, match="must be a RecurrentActor"):
            self.export(tmp_path)

    def test_nothing_is_left_of_what_fails(self, run, tmp_path, monkeypatch):
        def fail(functions, place):
            (place / "half").touch()
            raise OSError("disk full")

        monkeypatch.setitem(exporting.FORMATS, "saved_model", fail)
        before = snapshot(tmp_path)
        with pytest.raises(OSError, match="disk full"):
            self.export(tmp_path)
        assert snapshot(tmp_path).keys() == before.keys()
