import contextlib
import itertools
import pathlib
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import make_agent, tiny_params

from planet_tf2.agents import planet
from planet_tf2.agents.planet import build
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import DummyEnv
from planet_tf2.nets import weights
from planet_tf2.tools.journal import Journal
from planet_tf2.training import assemble
from planet_tf2.training.collecting import EnvUnreliable

SEED = tf.constant([1, 2])


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "00001").create()


@pytest.fixture
def opened(monkeypatch):
    """The environments that were started."""
    envs = []

    def open_env(*args, **kwargs):
        envs.append(original(*args, **kwargs))
        return envs[-1]

    original = assemble.open_env
    monkeypatch.setattr(assemble, "open_env", open_env)
    return envs


@pytest.fixture(scope="module")
def model():
    return build.make_model(tiny_params(), 5)


@pytest.mark.parametrize(
    ("kind", "special"),
    [
        ("RSSM", {"belief_size": 4, "future_rnn": False}),
        ("SSM", {}),
        ("DRNN", {"encoder_to_decoder": True, "sample_to_sample": False}),
    ],
)
def test_make_cell_follows_the_parameters(kind, special, monkeypatch):
    cell = Mock()
    monkeypatch.setattr(build, kind, cell)
    params = tiny_params(
        model=kind.lower(),
        mean_only=True,
        min_stddev=0.2,
        future_rnn=False,
        activation="elu",
        model_layers=2,
        drnn_encoder_to_decoder=True,
        drnn_sample_to_sample=False,
    )
    build.make_cell(params)
    expected = {
        "state_size": 3,
        "embed_size": 4,
        "mean_only": True,
        "min_stddev": 0.2,
        "activation": "elu",
        "num_layers": 2,
        **special,
    }
    assert cell.call_args.kwargs.items() >= expected.items()


class TestMakeModel:
    def test_follows_the_parameters(self):
        params = tiny_params(
            divergence_scale=0.1,
            image_loss_scale=0.2,
            reward_loss_scale=0.3,
            free_nats=0.4,
            gradient_heads=["image"],
            num_layers=2,
            cnn_depth=3,
            image_size=128,
            image_bits=2,
        )
        model = build.make_model(params, 5)
        scales = {"divergence": 0.1, "image": 0.2, "reward": 0.3}
        assert dict(model.loss_scales) == scales
        assert model.free == 0.4
        assert tuple(model.gradient_heads) == ("image",)
        assert model.encoder.embedding_size == 192
        features = tf.zeros([2, model.cell.feature_size])
        assert model.heads["image"](features).event_shape == (128, 128, 3)
        assert len(model.groups["reward"]) == 2 * 3
        image = model.preprocess(tf.fill([9], tf.constant(255, tf.uint8)), SEED)
        assert 0.25 <= np.min(image) and np.max(image) < 0.5

    def test_default_sizes(self):
        """The weights of the paper's model, counted by hand."""
        params = tiny_params(
            cnn_depth=32,
            model_size=200,
            state_size=30,
            num_layers=3,
            num_units=300,
        )
        variables = build.make_model(params, 6).original_variables()
        encoder = (48 * 32 + 32) + (512 * 64 + 64)
        encoder += (1024 * 128 + 128) + (2048 * 256 + 256)
        gru = 400 * 600 + 600
        normal = 2 * (200 * 30 + 30)
        cell = (36 * 200 + 200) + gru + (200 * 200 + 200) + normal
        cell += (1224 * 200 + 200) + normal
        reward = (230 * 300 + 300) + 2 * (300 * 300 + 300) + 301
        decoder = (230 * 1024 + 1024) + (25 * 128 * 1024 + 128)
        decoder += (25 * 64 * 128 + 64) + (36 * 32 * 64 + 32)
        decoder += 36 * 3 * 32 + 3
        total = sum(int(np.prod(v.shape)) for v in variables.values())
        assert total == encoder + cell + reward + decoder

    def test_seed(self):
        first, second, other = (
            weights.save_weights(build.make_model(tiny_params(), 5, seed))
            for seed in (1, 1, 2)
        )
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
            if name.endswith("kernel"):
                assert np.abs(first[name] - other[name]).max() > 0, name


def test_make_learner_follows_the_parameters(monkeypatch, model):
    optimizer = Mock()
    monkeypatch.setattr(build, "Optimizer", optimizer)
    params = tiny_params(
        main_learning_rate=0.5,
        main_adam_epsilon=0.6,
        main_gradient_clipping=0.7,
    )
    build.make_learner(params, model)
    optimizer.assert_called_once_with(model.groups["main"], 0.5, 0.6, 0.7)


class TestEnvironments:
    def test_recovers(self, folder, monkeypatch, opened):
        """Those that broke start anew, and what others recorded goes.

        What was recorded before stays, as it was collected ahead.
        """
        params = tiny_params(env_max_failures=2)
        environments = assemble.Environments(params, folder, planet)
        broken, other = environments.get("dummy", 2)

        def record():
            other.reset(seed=0)
            for _ in range(1000 // 50):
                other.step(np.zeros(5, np.float32))

        record()
        (earlier,) = folder.train_episodes.iterdir()
        name = f"{episodes.episode_name()}.npz.partial"
        left = folder.train_episodes / name
        left.touch()
        user = folder.train_episodes / "user.npz"
        user.touch()
        step = DummyEnv.step

        def fail(env, action):
            monkeypatch.setattr(DummyEnv, "step", step)
            raise OSError("broken")

        def work(attempt):
            assert [env.failed for env in opened] == [False, False]
            record()
            if attempt == 0:
                monkeypatch.setattr(DummyEnv, "step", fail)
            broken.reset(seed=attempt)
            broken.step(np.zeros(5, np.float32))
            return attempt

        assert environments.retry("testing", work) == 1
        found = set(folder.train_episodes.iterdir())
        # The last is that of the attempt that worked.
        assert {earlier, user} < found and len(found) == 3
        assert left not in found
        monkeypatch.setattr(DummyEnv, "step", lambda *args: 1 / 0)
        with pytest.raises(EnvUnreliable, match="failed 2 times"):
            environments.retry("testing", work)
        environments.close()


class TestMakeCollectors:
    @pytest.fixture
    def make(self, folder):
        with contextlib.ExitStack() as stack:

            def make(**overrides):
                params = tiny_params(**overrides)
                environments = assemble.Environments(params, folder, planet)
                stack.callback(environments.close)
                agent = make_agent(params, 5)
                return assemble.make_collectors(
                    params,
                    planet,
                    {"train": agent, "test": agent},
                    environments,
                    lambda: False,
                )

            yield make

    def test_train_and_test_share_a_graph(self, make, opened):
        collectors = make()
        (train,), (test,) = collectors["train"], collectors["test"]
        assert train.rollout is test.rollout
        assert train.env is test.env
        assert len(opened) == 1
        assert (train.task, train.index) == ("dummy", 0)
        entry = train.entry
        assert (entry.after, entry.every, entry.until) == (10, 10, -1)
        assert (entry.action_noise, test.entry.action_noise) == (0.3, 0)

    def test_other_plans_have_graphs_of_their_own(self, make, opened):
        entries = [{}, {"horizon": 3}, {"batch_size": 2}, {"every": 7}]
        train = make(train_collects=entries, test_collects=[{}, {}])["train"]
        assert [collector.index for collector in train] == [0, 1, 2, 3]
        assert [len(collector.env) for collector in train] == [1, 1, 2, 1]
        assert len({id(collector.rollout) for collector in train}) == 3
        assert train[0].rollout is train[3].rollout
        assert train[3].entry.every == 7
        # An environment serves several graphs, one after the other.
        assert len(opened) == 2

    def test_collects(self, make, folder):
        (collector,) = make(
            train_collects=[{"batch_size": 2}], planner_iterations=1
        )["train"]
        results = collector.collect((1, 2, 3), 0.3)
        again = collector.collect((1, 2, 3), 0.3)
        other = collector.collect((1, 2, 4), 0.3)
        for result in results:
            path = pathlib.Path(result["path"])
            assert path.parent == folder.train_episodes
            assert path.name.endswith(".npz.staged")
            assert (result["length"], result["simulator_steps"]) == (20, 1000)
        returns = [
            [result["return"] for result in kind]
            for kind in (results, again, other)
        ]
        assert returns[0] == returns[1]
        assert len({*returns[0], *returns[2]}) == 4
        first, second = (
            [episodes.load_episode(r["path"]) for r in kind]
            for kind in (results, again)
        )
        for one, two in zip(first, second, strict=True):
            np.testing.assert_array_equal(one["image"], two["image"])
            # The agent is random too, but not twice in different ways.
            np.testing.assert_allclose(one["action"], two["action"], atol=1e-5)
            assert (np.abs(one["action"]) <= 1).all()
        assert np.abs(first[0]["action"] - first[1]["action"]).max() > 0.01
        assert collector.rollout.retraces == 0


class TestMakeParts:
    def test_batches(self, folder):
        params = tiny_params()
        parts = assemble.make_parts(params, folder, 0)
        names = "own.npz", "link.npz", "other.npz"
        damaged = [folder.test_episodes / name for name in names]
        target = folder.path / "mine.npz"
        damaged[1].symlink_to(target)
        for path in damaged:
            path.write_bytes(b"no episode")
        # What others put there is theirs.
        for path in damaged[:2]:
            record = {"split": "test", "file": path.name}
            Journal(folder.metrics).append(record)
        for number, split in enumerate(("train", "test")):
            episode = {
                "image": np.full((6, 64, 64, 3), number, np.uint8),
                "action": np.zeros((6, 5), np.float32),
                "reward": np.zeros(6, np.float32),
            }
            directory = folder.path / f"{split}_episodes"
            episodes.save_episode(directory, episode)
            names = episodes.list_episodes(directory)
            batches = parts.make_batches(
                split, (0, 1, 2), 0, lambda batch, names=names: names
            )
            for batch in itertools.islice(batches, 2):
                assert batch["image"].shape == (2, 5, 64, 64, 3)
                assert (batch["image"] == number).all()
        assert [path.exists() for path in damaged] == [False, True, True]
        assert damaged[0].with_name("own.npz.damaged").exists()
        assert target.exists()
        parts.close()

    def test_closes_environments_when_something_fails(
        self, folder, monkeypatch
    ):
        closed = []
        monkeypatch.setattr(DummyEnv, "close", lambda self: closed.append(1))

        def fail(*args, **kwargs):
            raise MemoryError("too large")

        monkeypatch.setattr(planet, "make_agent", fail)
        with pytest.raises(MemoryError):
            assemble.make_parts(tiny_params(), folder, 0)
        assert closed == [1]
