import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import normal_kl, random_batch, tiny_params, values

from planet_tf2.agents.planet.build import make_learner, make_model
from planet_tf2.tools import devices, seeds
from planet_tf2.training.finite import NonFiniteError, check_finite
from planet_tf2.training.trainer import Step

SEED = tf.constant([1, 2])
SCALES = {
    "divergence_scale": 0.7,
    "image_loss_scale": 0.5,
    "reward_loss_scale": 3.0,
}


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch):
    """Parts have random numbers of their own; see test_learner_parts.py."""
    monkeypatch.setattr(devices, "chains", lambda: 1)


class Made:
    """A model and its learner; building their graphs takes a while."""

    def __init__(self, path, **overrides):
        # Nothing that keeps parts of the model from learning.
        params = tiny_params(activation="elu", free_nats=0, **overrides)
        self.model = make_model(params, 2, seed=0)
        self.learner = make_learner(params, self.model)
        self._checkpoint = tf.train.Checkpoint(learner=self.learner)
        self._path = path
        self._fresh = self._checkpoint.write(str(path / "fresh"))

    def reset(self):
        self._checkpoint.read(self._fresh).assert_consumed()
        return self.model, self.learner

    def snapshot(self):
        """Copies of all variables: weights, moments, counters."""
        path = self._checkpoint.write(str(self._path / "snapshot"))
        reader = tf.train.load_checkpoint(path)
        return {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if name.endswith("VARIABLE_VALUE")
        }


@pytest.fixture(scope="module")
def tiny_made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("tiny"), **SCALES)


@pytest.fixture(scope="module")
def apart_made(tmp_path_factory):
    path = tmp_path_factory.mktemp("apart")
    return Made(path, gradient_heads=["image"], main_learning_rate=0.01)


@pytest.fixture
def tiny(tiny_made):
    return tiny_made.reset()


@pytest.fixture
def apart(apart_made):
    """The reward head is outside of `gradient_heads`."""
    return apart_made.reset()


def numpy_losses(model, batch):
    """The three losses from what the parts predict, in float64."""
    prior, posterior = model.infer(batch, SEED)
    kl = normal_kl(
        posterior["mean"], posterior["stddev"], prior["mean"], prior["stddev"]
    )
    # Some time steps are below of the free nats, others above.
    model.free = float(np.median(kl))
    result = {"divergence": np.maximum(0, kl - model.free).mean()}
    features = model.cell.features_from_state(posterior)
    for name, size in (("image", 64 * 64 * 3), ("reward", 1)):
        error = np.float64(model.heads[name](features).mean() - batch[name])
        squared = (error**2).reshape(2, 5, size).sum(-1)
        result[name] = (squared + size * np.log(2 * np.pi)).mean() / 2
    return result


class TestWorldModel:
    def test_prepare(self, tiny):
        model, _ = tiny
        batch = random_batch()
        prepared = model.prepare(batch, SEED)
        image = prepared["image"]
        assert image.dtype == tf.float32
        assert -0.5 <= np.min(image) and np.max(image) < 0.5
        assert prepared["action"] is batch["action"]
        again = model.prepare(batch, SEED)["image"]
        np.testing.assert_array_equal(image, again)
        other = model.prepare(batch, tf.constant([3, 4]))["image"]
        assert 0 < np.abs(image - other).max() < 2**-5

    def test_infer_is_reproducible(self, tiny):
        model, _ = tiny
        batch = model.prepare(random_batch(), SEED)
        (_, first), (_, second), (_, other), (_, free) = (
            model.infer(batch, seed)
            for seed in (SEED, SEED, tf.constant([3, 4]), None)
        )
        np.testing.assert_array_equal(first["sample"], second["sample"])
        for state in (other, free):
            assert np.abs(first["sample"] - state["sample"]).min() > 0
        noise = (first["sample"] - first["mean"]) / first["stddev"]
        assert first["sample"].shape == (2, 5, 3)
        assert len(np.unique(np.round(noise, 5))) == noise.numpy().size

    @pytest.mark.parametrize("graph", [False, True])
    def test_losses(self, tiny, graph, monkeypatch):
        model, _ = tiny
        monkeypatch.setattr(model, "free", 0.0)
        batch = model.prepare(random_batch(), SEED)
        expected = numpy_losses(model, batch)
        compute = tf.function(model.losses) if graph else model.losses
        result = compute(batch, SEED)
        assert expected["divergence"] > 0
        assert set(result) == set(expected)
        for name in expected:
            np.testing.assert_allclose(
                result[name], expected[name], rtol=1e-4, err_msg=name
            )

    def test_global_divergence(self):
        params = tiny_params(global_div_scale=0.1)
        model = make_model(params, 2, seed=0)
        names = ["divergence", "global_divergence", "image", "reward"]
        assert model.loss_names == names
        assert model.loss_scales["global_divergence"] == 0.1
        batch = model.prepare(random_batch(), SEED)
        _, posterior = model.infer(batch, SEED)
        kl = normal_kl(
            posterior["mean"], posterior["stddev"], np.zeros(3), np.ones(3)
        )
        with tf.GradientTape() as tape:
            value = model.losses(batch, SEED)["global_divergence"]
        np.testing.assert_allclose(value, kl.mean(), rtol=1e-5)
        encoder = tape.gradient(value, list(model.encoder.variables))
        assert all(np.isfinite(gradient).all() for gradient in encoder)

    def test_scale(self, tiny):
        model, _ = tiny
        losses = {"divergence": 1.0, "image": 10.0, "reward": 100.0}
        total = model.scale({k: tf.constant(v) for k, v in losses.items()})
        np.testing.assert_allclose(total, 0.7 * 1 + 0.5 * 10 + 3.0 * 100)

    def test_variables(self, tiny, apart):
        model, _ = tiny
        everything = set(map(id, model.original_variables().values()))
        assert set(map(id, model.groups["main"])) == everything
        model, _ = apart
        reward = set(map(id, list(model.heads["reward"].trainable_variables)))
        main = set(map(id, model.groups["main"]))
        everything = set(map(id, model.original_variables().values()))
        assert len(reward) == 4 and not reward & main
        assert reward | main == everything


class TestLearner:
    def test_says_what_the_model_computes(self, tiny):
        model, learner = tiny
        batch = random_batch()
        image_seed, latent_seed = seeds.split(SEED, 2)
        prepared = model.prepare(batch, image_seed)
        expected = model.losses(prepared, latent_seed)
        total = sum(
            scale * expected[name]
            for name, scale in (
                ("divergence", 0.7),
                ("image", 0.5),
                ("reward", 3.0),
            )
        )
        before = values(model)
        tested = learner.test_step(batch, SEED)
        assert set(tested) == {"divergence", "image", "reward", "total"}
        for name, value in values(model).items():
            np.testing.assert_array_equal(value, before[name])
        trained = learner.train_step(batch, SEED)
        assert set(trained) == {*tested, "gradient_norm"}
        assert learner.norm_names == ["gradient_norm"]
        for result in (tested, trained):
            np.testing.assert_allclose(result["total"], total, rtol=1e-5)
            for name in expected:
                np.testing.assert_allclose(
                    result[name], expected[name], rtol=1e-4
                )

    def test_changes_every_variable(self, tiny):
        model, learner = tiny
        before = values(model)
        for number in range(2):
            learner.train_step(random_batch(number), SEED)
        for name, value in values(model).items():
            assert np.abs(value - before[name]).max() > 0, name

    def test_gradient_norm(self, tiny):
        model, learner = tiny
        batch = random_batch()
        image_seed, latent_seed = seeds.split(SEED, 2)
        prepared = model.prepare(batch, image_seed)
        with tf.GradientTape() as tape:
            total = model.scale(model.losses(prepared, latent_seed))
        gradients = tape.gradient(total, model.groups["main"])
        expected = np.sqrt(sum((np.float64(g) ** 2).sum() for g in gradients))
        result = learner.train_step(batch, SEED)["gradient_norm"]
        np.testing.assert_allclose(result, expected, rtol=1e-3)

    def test_no_retracing(self, tiny):
        _, learner = tiny
        for number in range(3):
            batch, seed = random_batch(number), seeds.derive(number)
            learner.train_step(batch, seed)
            learner.test_step(batch, seed)
        for step in (learner.train_step, learner.test_step):
            assert step.experimental_get_tracing_count() == 1

    def test_seed_determines_the_update(self, tiny_made):
        results = []
        for last in (5, 5, 6):
            model, learner = tiny_made.reset()
            for number in (1, last):
                learner.train_step(random_batch(), seeds.derive(number))
            results.append(values(model))
        same, other = [], []
        for name in results[0]:
            same.append(np.abs(results[0][name] - results[1][name]).max())
            other.append(np.abs(results[0][name] - results[2][name]).max())
        assert max(same) < 1e-6 < max(other)


class TestHeadsOutside:
    """Heads that are not in `gradient_heads`."""

    def test_do_not_train_the_rest(self, apart):
        model, _ = apart
        batch = model.prepare(random_batch(), SEED)
        with tf.GradientTape(persistent=True) as tape:
            losses = model.losses(batch, SEED)
        outside = tape.gradient(losses["reward"], model.groups["main"])
        assert all(gradient is None for gradient in outside)
        own = tape.gradient(
            losses["reward"], list(model.heads["reward"].trainable_variables)
        )
        assert all(np.abs(gradient).max() > 0 for gradient in own)
        inside = tape.gradient(losses["image"], model.encoder.variables)
        assert all(gradient is not None for gradient in inside)

    def test_have_an_optimizer_of_their_own(self, apart, tiny):
        model, learner = apart
        assert set(learner.optimizers) == {"main", "reward"}
        result = learner.train_step(random_batch(), SEED)
        norms = [name for name in result if "norm" in name]
        assert norms == learner.norm_names
        assert norms == ["gradient_norm", "gradient_norm_reward"]
        for name, expected in (
            ("main", model.groups["main"]),
            ("reward", list(model.heads["reward"].trainable_variables)),
        ):
            trained = learner.optimizers[name].variables_to_train
            assert list(map(id, trained)) == list(map(id, expected))
        assert set(tiny[1].optimizers) == {"main"}

    def test_train_alone(self, apart_made):
        """What the head has to predict is nothing to the others."""
        results = []
        for reward in (0.0, 50.0):
            model, learner = apart_made.reset()
            before = values(model)
            batch = random_batch()
            batch["reward"] = tf.fill([2, 5], reward)
            for number in range(2):
                output = learner.train_step(batch, seeds.derive(number))
            results.append((values(model), float(output["gradient_norm"])))
        (first, norm), (second, other_norm) = results
        np.testing.assert_allclose(norm, other_norm, rtol=1e-5)
        for name in first:
            moved = np.abs(second[name] - before[name]).max()
            assert moved > 0, name
            difference = np.abs(first[name] - second[name]).max()
            assert (difference > 1e-6) == ("head_reward" in name), name


def numbers(result):
    return {name: float(value) for name, value in result.items()}


STEP = Step("train", 1, 1200, 700, 1200, 14, 50, False)


class TestNotFinite:
    @pytest.mark.parametrize(
        ("key", "value"),
        [("reward", np.nan), ("reward", np.inf), ("action", np.nan)],
    )
    @pytest.mark.parametrize("fixture", ["tiny_made", "apart_made"])
    def test_changes_nothing(self, fixture, key, value, request):
        made = request.getfixturevalue(fixture)
        _, learner = made.reset()
        batch = random_batch()
        learner.train_step(batch, SEED)
        before = made.snapshot()
        assert len(before) > 2 * len(values(made.model))
        array = batch[key].numpy()
        array[0, 1] = value
        result = learner.train_step({**batch, key: tf.constant(array)}, SEED)
        after = made.snapshot()
        for name in before:
            np.testing.assert_array_equal(after[name], before[name], name)
        with pytest.raises(NonFiniteError):
            check_finite(numbers(result), STEP)

    @pytest.mark.parametrize(
        ("fixture", "part", "norm"),
        [
            ("tiny", "reward", "gradient_norm"),
            ("apart", "image", "gradient_norm"),
            ("apart", "reward", "gradient_norm_reward"),
        ],
    )
    def test_gradient_alone(self, fixture, part, norm, request, monkeypatch):
        """All losses are finite, but not the gradient of one of them."""
        model, learner = request.getfixturevalue(fixture)
        before = values(model)
        compute = model.losses

        def broken(batch, seed):
            (kernel, *_) = model.heads[part].trainable_variables
            zero = tf.sqrt(tf.reduce_sum(0 * tf.convert_to_tensor(kernel)))
            result = compute(batch, seed)
            return {**result, part: result[part] + zero}

        monkeypatch.setattr(model, "losses", broken)
        result = numbers(learner.update(random_batch(), SEED))
        assert np.isfinite(result["total"])
        with pytest.raises(NonFiniteError, match=f"{norm} is nan"):
            check_finite(result, STEP)
        for name, value in values(model).items():
            np.testing.assert_array_equal(value, before[name], name)
