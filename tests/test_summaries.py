"""Tests of what TensorBoard gets to show."""

import functools
import io
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.util.tensor_util import make_ndarray
from tf_fakes import make_agent, random_batch, tiny_params

from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import events
from planet_tf2.tools import seeds, video
from planet_tf2.tools.signals import Guard
from planet_tf2.training.summaries import Summaries
from planet_tf2.training.summary_graph import Computed

SEED = tf.constant([3, 4])
HEADS = ("image", "reward", "position")


@pytest.fixture(scope="module")
def agent():
    params = tiny_params(
        tasks=["cheetah_run"],
        state_diagnostics=True,
        state_size=5,
        free_nats=0,
        gradient_heads=list(HEADS),
    )
    return make_agent(params, position=(3,))


@functools.cache
def make_batch(length=4, size=5):
    position = np.random.default_rng(0).normal(size=(size, length, 3))
    batch = random_batch(0, size, length)
    return {**batch, "position": tf.constant(position, tf.float32)}


def read_tags(directory):
    kinds = ("scalars", "histograms", "images")
    found = (events.read_values(directory, ["*"], kind) for kind in kinds)
    return set().union(*found)


def read_scalars(directory):
    found = events.read_values(directory, ["*"], "scalars")
    for by_step in found.values():
        for step, event in by_step.items():
            by_step[step] = make_ndarray(event.tensor_proto).item()
    return found


def read_last(directory, kind, tag):
    found = events.read_values(directory, [tag], kind)[tag]
    return make_ndarray(found[max(found)].tensor_proto)


def read_image(directory, tag):
    """Returns the last image that TensorBoard would show for a tag."""
    width, height, encoded = read_last(directory, "images", tag)
    image = Image.open(io.BytesIO(encoded))
    assert image.size == (int(width), int(height))
    return image


@pytest.mark.parametrize("resumed_at", [3, 5, 9])
def test_resuming_takes_back_what_comes_again(tmp_path, agent, resumed_at):
    for first, last, offset in (0, 6, 0), (resumed_at, 10, 100):
        summaries = Summaries(RunFolder(tmp_path), agent)
        if first:
            summaries.resume("train", first)
        for step in range(first, last):
            summaries.scalars("train", step, {"a": step + offset})
        summaries.close()
        # Names of one process end in a count, which need not sort; those of the
        # next process begin with a later time.
        (path,) = (tmp_path / "train").glob("events*.v2")
        path.rename(path.with_name(f"events.out.tfevents.{1000 + offset}.host"))
    before = {step: step for step in range(min(resumed_at, 6))}
    after = {step: step + 100 for step in range(resumed_at, 10)}
    assert read_scalars(tmp_path / "train") == {"a": {**before, **after}}


@pytest.fixture(scope="module")
def predicted(tmp_path_factory, agent):
    """A folder with predictions, and the last of them."""
    path = tmp_path_factory.mktemp("predicted")
    summaries = Summaries(RunFolder(path), agent)
    batch = make_batch()
    summaries.predictions("train", 50, batch, SEED + 1)
    assert not (path / "prediction.gif").exists()
    summaries.predictions("test", 50, batch, SEED + 2)
    result = summaries.predictions("test", 100, batch, SEED)
    summaries.close()
    return path, result


@pytest.fixture(scope="module")
def inferred(agent):
    """What the predictions with SEED see, and states of the closed loop."""
    few = {key: value[:4] for key, value in make_batch().items()}
    image_seed, latent_seed = seeds.split(seeds.split(SEED, 2)[0], 2)
    prepared = agent.model.prepare(few, image_seed)
    return prepared, latent_seed, agent.model.infer(prepared, latent_seed)


def test_predictions_write_the_scalars_that_they_return(predicted):
    path, result = predicted
    written = read_scalars(path / "test")
    assert {tag: x[100] for tag, x in written.items()} == result.scalars
    assert {"closedloop/prior_reward_log_prob", "openloop/divergence"} <= set(
        written
    )
    assert all(list(by_step) == [50, 100] for by_step in written.values())
    assert set(read_scalars(path / "train")) == set(written)
    assert {tag.split("/")[0] for tag in written} == {"closedloop", "openloop"}


def test_closed_loop_scalars_agree_with_the_losses(predicted, agent, inferred):
    scalars = predicted[1].scalars
    prepared, latent_seed, _ = inferred
    losses = agent.model.losses(prepared, latent_seed)
    for name in HEADS:
        actual = -scalars[f"closedloop/{name}_log_prob"]
        np.testing.assert_allclose(actual, losses[name], rtol=1e-5)
    np.testing.assert_allclose(
        scalars["closedloop/divergence"], losses["divergence"], rtol=1e-4
    )


def test_prior_predicts_each_step_before_seeing_it(predicted, agent, inferred):
    """Its numbers are those of the heads on the prior states."""
    scalars = predicted[1].scalars
    prepared, _, (prior, _) = inferred
    features = agent.model.cell.features_from_state(prior)
    for name in HEADS:
        mean = agent.model.heads[name](features).mean().numpy()
        error = mean - prepared[name].numpy()
        size = error[0, 0].size
        log_prob = -(error**2).sum() / 32 - size * math.log(2 * math.pi) / 2
        tag = f"closedloop/prior_{name}"
        np.testing.assert_allclose(
            [scalars[f"{tag}_log_prob"], scalars[f"{tag}_abs_error"]],
            [log_prob, np.abs(error).mean()],
            rtol=1e-4,
        )


def test_entropy_and_stddev_are_of_the_states(predicted, inferred):
    scalars = predicted[1].scalars
    for name, state in zip(("prior", "posterior"), inferred[2], strict=True):
        stddev = state["stddev"].numpy()
        entropy = np.log(stddev * math.sqrt(2 * math.pi * math.e)).sum(-1)
        tag = f"closedloop/{name}"
        np.testing.assert_allclose(
            [scalars[f"{tag}_stddev"], scalars[f"{tag}_entropy"]],
            [stddev.mean(), entropy.mean()],
            rtol=1e-4,
        )


def test_open_loop_scalars_agree_with_each_other(predicted):
    scalars = predicted[1].scalars
    # Two of the four frames are predicted without being seen.
    assert "openloop/image_error_ahead_03" not in scalars
    ahead = [scalars[f"openloop/image_error_ahead_{n:02}"] for n in (1, 2)]
    constant = 64 * 64 * 3 * math.log(2 * math.pi) / 2
    expected = -scalars["openloop/image_log_prob"] - constant
    np.testing.assert_allclose(np.mean(ahead), expected, rtol=1e-4)


def test_rows_are_truth_prediction_error_and_change(predicted):
    _, result = predicted
    images = make_batch()["image"].numpy()[:4]
    assert len(result.videos) == 3
    for rows in result.videos.values():
        truth, prediction, error, change = (
            rows[name].astype(int)
            for name in ("truth", "prediction", "error", "change")
        )
        # As the model sees it, in five bits, each level at its centre.
        assert np.abs(truth - (images // 8 * 8 + 4)).max() <= 1
        # The rounding of three numbers, two of them halved.
        assert np.abs(error - (prediction - truth + 255) / 2).max() <= 2
        assert np.abs(change[:, 0] - 127.5).max() < 1
        expected = (prediction[:, 1:] - prediction[:, :-1] + 255) / 2
        assert np.abs(change[:, 1:] - expected).max() <= 2
        assert change[:, 1:].std() > 0


def test_strip_has_the_rows_of_two_sequences(predicted):
    path, result = predicted
    rows = [
        result.videos["closedloop/prior_"][name][number]
        for number in range(2)
        for name in ("truth", "prediction", "error", "change")
    ]
    strip = read_image(path / "test", "closedloop/prior_strip").convert("RGB")
    expected = video.image_strip(rows, 1, 4).astype(int)
    # As near as 256 colours for all pictures come.
    assert np.abs(np.asarray(strip) - expected).mean() < 16


def test_histograms_count_every_value(predicted):
    path, result = predicted
    for tag, count in {
        "closedloop/divergence": 4 * 4,
        "closedloop/posterior_entropy": 4 * 4,
        "openloop/prior_entropy": 4 * 2,  # Two of four steps are predicted.
    }.items():
        buckets = read_last(path / "test", "histograms", f"{tag}_histogram")
        assert buckets[:, 2].sum() == count
        assert buckets[0, 0] <= result.scalars[tag] <= buckets[-1, 1]
    # Those of the data are of the whole batch.
    reward = make_batch()["reward"].numpy()
    buckets = read_last(
        path / "test", "histograms", "general/data_reward_histogram"
    )
    assert buckets[:, 2].sum() == reward.size
    ends = buckets[0, 0], buckets[-1, 1]
    np.testing.assert_allclose(ends, (reward.min(), reward.max()))


def test_trajectories_are_plotted(predicted):
    path, result = predicted
    sizes = {name: x.shape for name, (x, _) in result.trajectories.items()}
    assert sizes == {"reward": (4, 1), "position": (4, 3), "latent": (4, 5)}
    truth, prediction = result.trajectories["position"]
    assert prediction.shape == truth.shape
    # Of the first sequence.
    np.testing.assert_allclose(truth, make_batch()["position"][0])
    assert set(result.log_probs) == {*HEADS, "divergence"}
    plotted = {f"openloop/{name}_trajectory" for name in sizes}
    tags = read_tags(path / "test")
    assert {tag for tag in tags if "trajectory" in tag} == plotted
    assert "openloop/log_probs" in tags


def test_lines_mark_what_is_seen(predicted):
    path, _ = predicted
    for name, seen in ("closedloop/", 4), ("openloop/", 2):
        animation = read_image(path / "test", f"{name}animation")
        assert (animation.format, animation.n_frames) == ("GIF", 4)
        for time in range(4):
            animation.seek(time)
            corner = animation.convert("RGB").getpixel((0, 0))
            assert corner == (video.SEEN if time < seen else video.UNSEEN)


def test_open_loop_uses_no_later_observation(tmp_path, agent, predicted):
    _, before = predicted
    batch = make_batch()
    late = tf.zeros_like(batch["image"][:, 2:])
    image = tf.concat([batch["image"][:, :2], late], 1)
    after = Summaries(RunFolder(tmp_path), agent).predictions(
        "test", 0, {**batch, "image": image}, SEED
    )
    for group, same in ("openloop/", True), ("closedloop/", False):
        one = before.videos[group]["prediction"][:, 2:]
        two = after.videos[group]["prediction"][:, 2:]
        assert (one == two).all() == same


def test_long_animations_leave_frames_out(tmp_path, agent):
    summaries = Summaries(RunFolder(tmp_path), agent)
    batch = make_batch(length=26, size=1)
    result = summaries.predictions("test", 0, batch, SEED)
    summaries.close()
    animation = read_image(tmp_path / "test", "openloop/animation")
    assert animation.n_frames == 13
    assert animation.info["duration"] == 100
    gif = Image.open(tmp_path / "prediction.gif")
    # Three rows of a sequence, with labels to the left and above.
    assert gif.n_frames == 26
    assert gif.width > 2 * 66 and gif.height > 2 * 3 * 66
    ahead = [tag for tag in result.scalars if "image_error" in tag]
    assert [int(tag[-2:]) for tag in ahead] == [1, 2, 5, 10, 20]


def test_agent_without_images(tmp_path, agent):
    """There are numbers and curves, but no pictures of what it sees."""
    summaries = Summaries(RunFolder(tmp_path), agent)
    nothing_seen = Computed(
        {"closedloop/divergence": tf.constant(1.5)},
        {"closedloop/divergence_histogram": tf.constant([1.0, 2.0])},
        {},
        {"position": (tf.zeros([4, 3]), tf.ones([4, 3]))},
        {"reward": tf.zeros([4])},
    )
    summaries._predict = lambda context, batch, seed: nothing_seen
    batch = {k: v for k, v in make_batch().items() if k != "image"}
    summaries.predictions("test", 5, batch, SEED)
    rewards = {"reward": np.arange(3.0)}
    summaries.episode("test", 5, "simulation/a/main", None, rewards)
    summaries.close()
    assert read_tags(tmp_path / "test") == {
        "closedloop/divergence",
        "closedloop/divergence_histogram",
        "general/data_action_histogram",
        "general/data_reward_histogram",
        "openloop/log_probs",
        "openloop/position_trajectory",
        "simulation/a/main/reward_histogram",
    }
    assert not list(tmp_path.glob("*.gif"))


def test_agent_that_predicts_nothing(tmp_path):
    summaries = Summaries(RunFolder(tmp_path), Agent())
    summaries.predictions("test", 5, make_batch(), SEED)
    summaries.close()
    names = ("strip", "action_histogram", "reward_histogram")
    expected = {f"general/data_{name}" for name in names}
    assert read_tags(tmp_path / "test") == expected


def test_nothing_is_written_to_the_run_of_another(tmp_path, agent):
    def check():
        raise RuntimeError("the run is not ours")

    summaries = Summaries(RunFolder(tmp_path), agent, Guard(check=check))
    with pytest.raises(RuntimeError, match="not ours"):
        summaries.scalars("train", 1, {"a": 1.0})
    assert not list(tmp_path.iterdir())


def test_episode_is_an_animation_of_bounded_length(tmp_path, agent):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (251, 16, 16, 3), np.uint8)
    summaries = Summaries(RunFolder(tmp_path), agent)
    group = "simulation/cup_catch/main"
    rewards = {"reward": np.array([1.0, 2.0, math.nan])}
    summaries.episode("test", 7, group, images, rewards)
    summaries.close()
    animation = read_image(tmp_path / "test", f"{group}/episode")
    assert animation.n_frames == 84
    gif = Image.open(tmp_path / "episode.gif")
    assert (gif.n_frames, gif.size) == (84, (192, 192))
    strip = read_image(tmp_path / "test", f"{group}/strip")
    assert strip.height == 16 + 2 * 2
    buckets = read_last(
        tmp_path / "test", "histograms", f"{group}/reward_histogram"
    )
    assert buckets[:, 2].sum() == 2  # What is not a number does not count.
