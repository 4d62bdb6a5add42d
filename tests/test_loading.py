"""Agents that are loaded do what the trained ones would."""

import shutil

import doc_files
import numpy as np
import pytest
import tensorflow as tf
from small_runs import snapshot
from tf_fakes import tiny_params

import planet_tf2
from planet_tf2.agents.planet import build
from planet_tf2.agents.planet.unroll import imagine
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation import loading

ACTIONS = 5


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the run, to be changed."""
    shutil.copytree(trained.folder.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture(scope="module")
def agent(trained):
    return planet_tf2.load_agent(trained.folder.path)


def image(number):
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (64, 64, 3), np.uint8)


def same_weights(loaded, expected):
    """Compares all variables of two models."""
    mine, theirs = (
        [
            variable.numpy()
            for part in (model.cell, model.encoder, *model.heads.values())
            for variable in part.variables
        ]
        for model in (loaded, expected)
    )
    assert len(mine) > 20
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def write_checkpoint(folder, params, *args):
    """Puts a model of other parameters into a run; returns both."""
    model = build.make_model(params, *args)
    learner = build.make_learner(params, model)
    step = tf.Variable(8, dtype=tf.int64)
    path = tf.train.Checkpoint(learner=learner, global_step=step).write(
        str(folder.checkpoints / "ckpt-90")
    )
    folder.write_config({**folder.read_config(), "params": dict(params)})
    return path, model


@pytest.mark.slow
class TestWeights:
    def test_are_all_those_of_the_trained_model(self, trained):
        loaded = loading.load_run(trained.folder)
        same_weights(loaded.agent.model, trained.model)
        assert (loaded.step, loaded.action_size) == (12, ACTIONS)
        assert loaded.state == "finished"

    def test_of_a_head_that_trains_alone(self, copied):
        """Its variables are in the list of another optimizer."""
        params = tiny_params(gradient_heads=["image"], activation="elu")
        path, model = write_checkpoint(copied, params, ACTIONS, 3)
        loaded = loading.load_run(copied, path)
        assert loaded.step == 8
        same_weights(loaded.agent.model, model)

    def test_of_heads_for_state_components(self, copied):
        """Only the episodes tell which ones there are."""
        components = {"position": (3,), "velocity": (2,)}
        params = tiny_params(
            tasks=["cartpole_swingup"],
            isolate_envs="process",
            state_diagnostics=True,
            gradient_heads=["image", "reward", "velocity"],
            position_loss_scale=2,
        )
        path, model = write_checkpoint(copied, params, 1, 3, components)
        for directory in (copied.train_episodes, copied.test_episodes):
            for name in episodes.list_episodes(directory):
                (directory / name).unlink()
        with pytest.raises(RunFolderError, match="predicts state components"):
            loading.load_run(copied, path)
        (copied.train_episodes / "0-broken.npz").write_bytes(b"broken")
        numbers = {
            name: np.zeros((4, *shape), np.float32)
            for name, shape in {**components, "action": (1,)}.items()
        }
        others = {
            "image": np.zeros((4, 64, 64, 3), np.uint8),
            "reward": np.zeros(4, np.float32),
            "contacts": np.zeros((4, 2), np.int32),
        }
        episodes.save_episode(copied.train_episodes, {**numbers, **others})
        loaded = loading.load_run(copied, path).agent.model
        assert loaded.heads.keys() == model.heads.keys()
        assert loaded.loss_scales["position"] == 2
        same_weights(loaded, model)

    @pytest.mark.parametrize(
        "change", [{"gradient_heads": ["image"]}, {"model_size": 7}]
    )
    def test_of_other_parameters_do_not_fit(self, copied, change):
        config = copied.read_config()
        config["params"] |= change
        copied.write_config(config)
        with pytest.raises(loading.CheckpointError, match="does not fit"):
            loading.load_run(copied)


@pytest.mark.slow
class TestAgent:
    def test_acts_as_its_seed_says(self, trained):
        def actions(seed):
            agent = planet_tf2.load_agent(trained.folder.path, seed=seed)
            return np.array([agent.act(image(n)) for n in range(3)])

        first = actions(0)
        assert first.shape == (3, ACTIONS) and first.dtype == np.float32
        assert (np.abs(first) <= 1).all()
        np.testing.assert_array_equal(first, actions(0))
        assert (first != actions(1)).any()

    def test_remembers_until_reset(self, agent):
        def belief(*numbers):
            agent.reset()
            for number in numbers:
                agent.act(image(number))
            return agent._actor.state["belief"].numpy()

        assert (belief(1, 2) != belief(3, 2)).any()
        agent.reset()
        assert not agent._actor.state["belief"].numpy().any()

    def test_imagines_from_where_it_is(self, agent):
        """Beliefs do not depend on the noise while the first step lasts."""
        agent.reset()
        agent.act(image(1))
        before = agent._actor.state
        actions = np.random.default_rng(0).uniform(-1, 1, (4, ACTIONS))
        result = agent.imagine(actions)
        assert result.image.shape == (4, 64, 64, 3)
        assert result.image.dtype == np.uint8
        assert result.reward.shape == (4,)
        for name, value in agent._actor.state.items():
            np.testing.assert_array_equal(value, before[name])
        again = agent.imagine(actions)
        np.testing.assert_array_equal(result.reward, again.reward)
        assert len(agent.imagine(actions[:2]).reward) == 2

    def test_imagines_what_the_model_predicts(self, agent, monkeypatch):
        noise = tf.random.stateless_normal([3, 1, 3], [5, 6])
        agent.reset()
        model = agent.run.agent.model
        agent.act(image(1))
        state = agent._actor.state
        actions = np.full((3, ACTIONS), 0.5, np.float32)
        monkeypatch.setattr(model.cell, "noise", lambda seed, shape: noise)
        found = loading.imagine(
            agent.run.agent, state, tf.constant(actions), tf.constant([1, 2])
        )
        states = imagine(model.cell, state, actions[None], noise)
        features = model.cell.features_from_state(states)
        shown = np.clip(model.heads["image"](features).mean()[0], -0.5, 0.5)
        np.testing.assert_allclose(
            found["reward"],
            model.heads["reward"].mean(features)[0],
            rtol=1e-5,
            atol=1e-6,
        )
        frames = found["image"] / 255
        np.testing.assert_allclose(frames - 0.5, shown, atol=0.003)

    def test_other_images_and_actions(self, agent):
        agent.reset()
        with pytest.raises(ValueError, match="act.image."):
            agent.imagine(np.zeros((2, ACTIONS)))
        agent.act(image(0))
        for wrong in (
            np.zeros((64, 64, 3), np.float32),
            np.zeros((1, 64, 64, 3), np.uint8),
            np.zeros((32, 32, 3), np.uint8),
        ):
            with pytest.raises(ValueError, match="uint8 .64, 64, 3."):
                agent.act(wrong)
        wrong = [np.zeros(s) for s in ((2, 6), (ACTIONS,), (0, ACTIONS))]
        wrong += [np.full((2, ACTIONS), value) for value in (1.5, np.nan)]
        for actions in wrong:
            with pytest.raises(ValueError, match="T, 5.*least 1, and lie in"):
                agent.imagine(actions)

    def test_leaves_the_run_alone(self, trained):
        before = snapshot(trained.folder.path)
        agent = planet_tf2.load_agent(trained.folder.path.parent)
        agent.act(image(0))
        agent.imagine(np.zeros((1, ACTIONS)))
        assert snapshot(trained.folder.path) == before


@pytest.mark.slow
class TestCheckpoints:
    def numbers(self, folder):
        return sorted(
            int(path.stem.removeprefix("ckpt-"))
            for path in folder.checkpoints.glob("ckpt-*.index")
        )

    def test_by_number_name_or_path(self, copied):
        number = self.numbers(copied)[0]
        expected = str(copied.checkpoints / f"ckpt-{number}")
        for given in (
            number,
            str(number),
            f"ckpt-{number}",
            expected,
            f"{expected}.index",
        ):
            assert loading.find_checkpoint(copied, given) == expected
        assert loading.load_run(copied, number).step < 12

    def test_while_another_is_being_written(self, copied):
        """The newest is incomplete, and the list of them is not there yet."""
        *_, before, newest = self.numbers(copied)
        (copied.checkpoints / f"ckpt-{newest}.index").unlink()
        path = loading.find_checkpoint(copied)
        assert path == str(copied.checkpoints / f"ckpt-{before}")
        (copied.checkpoints / "checkpoint").unlink()
        assert loading.find_checkpoint(copied) == path
        assert loading.load_run(copied).checkpoint == path

    def test_removed_while_it_is_loaded(self, copied, monkeypatch):
        load_weights, paths = loading.load_weights, []

        def losing(learner, path, identity):
            paths.append(path)
            if len(paths) == 1:
                for file in copied.checkpoints.glob(f"{path[-6:]}*"):
                    file.unlink()
            return load_weights(learner, path, identity)

        monkeypatch.setattr(loading, "load_weights", losing)
        run = loading.load_run(copied)
        assert len(set(paths)) == 2 and run.checkpoint == paths[1]

    @pytest.mark.parametrize("mine", ["b" * 32, None])
    def test_of_another_run(self, copied, mine):
        """Whose shapes are the same; the run may also be from before."""
        config = copied.read_config()
        other = config.pop("id")
        copied.write_config({**config, "id": mine} if mine else config)
        with pytest.raises(RunFolderError, match="of another run") as caught:
            loading.load_run(copied)
        assert f"its id is {other}, and" in str(caught.value)
        assert (mine or "is missing") in str(caught.value)

    def test_damaged(self, copied):
        path = loading.find_checkpoint(copied)
        (data,) = copied.checkpoints.glob(f"{path.rpartition('/')[2]}.data*")
        data.write_bytes(data.read_bytes()[:100])
        with pytest.raises(loading.CheckpointError, match="cannot be read|dam"):
            loading.load_run(copied)

    def test_before_anything_was_learned(self, copied, monkeypatch):
        monkeypatch.setattr(loading, "load_weights", lambda *args: 0)
        with pytest.raises(loading.CheckpointError, match="not learned"):
            loading.load_run(copied)
        assert loading.load_run(copied, self.numbers(copied)[0]).step == 0

    def test_of_a_failed_run(self, copied):
        copied.fail.write_text("at step 3\n\nArithmeticError: loss is nan\n")
        with pytest.raises(RunFolderError, match="loss is nan"):
            planet_tf2.load_agent(copied.path)
        number = self.numbers(copied)[-1]
        agent = planet_tf2.load_agent(copied.path, number)
        assert agent.run.state == "failed"


@pytest.mark.slow
@pytest.mark.parametrize(
    "document, run",
    [
        ("README.md", "results/cartpole_balance-quickstart-1"),
        ("docs/looking.md", "logs/quickstart/cartpole_balance/00001"),
    ],
)
def test_examples_of_the_documentation(trained, document, run):
    blocks = doc_files.blocks(doc_files.read(document), "python")
    (code,) = (block for block in blocks if "load_agent" in block)
    for old, new in (
        (run, str(trained.folder.path)),
        ("cartpole_balance", "dummy"),
    ):
        assert old in code
        code = code.replace(old, new)
    names = {}
    exec(compile(code, document, "exec"), names)
    assert names["action"].shape == (names["agent"].action_size,)
    # A thousand rewards between 0 and 1, where a whole episode is played.
    assert 300 < names.get("score", 500) < 700
