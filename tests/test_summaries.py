"""Tests of what TensorBoard gets to show."""

import functools
import io
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tf_fakes import make_agent, tiny_params

from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import events
from planet_tf2.tools import curves, seeds, video
from planet_tf2.tools.guard import Guard
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


def closed_loop_seeds():
    """What the closed loop of predictions with SEED is drawn from."""
    return seeds.split(seeds.split(SEED, 2)[0], 2)


@functools.cache
def make_batch(length=4, size=5):
    random = np.random.default_rng(0)
    arrays = {
        "image": random.integers(0, 256, (size, length, 64, 64, 3), np.uint8),
        "action": random.uniform(-1, 1, (size, length, 2)),
        "reward": random.uniform(0, 1, (size, length)),
        "position": random.normal(size=(size, length, 3)),
    }
    return {
        key: tf.constant(value, tf.uint8 if key == "image" else tf.float32)
        for key, value in arrays.items()
    }


def make_summaries(tmp_path, agent):
    return Summaries(RunFolder(tmp_path), agent)


def read(directory):
    """Returns what TensorBoard finds in event files, by tag and step."""
    return {
        tag: by_step
        for kind in ("scalars", "histograms", "images")
        for tag, by_step in events.read_values(directory, ["*"], kind).items()
    }


def read_scalars(directory):
    return {
        tag: {step: value.tensor.item() for step, value in by_step.items()}
        for tag, by_step in events.read_values(
            directory, ["*"], "scalars"
        ).items()
    }


def read_image(directory, tag):
    """Returns the last image that TensorBoard would show for a tag."""
    found = events.read_values(directory, [tag], "images")[tag]
    width, height, encoded = found[max(found)].tensor
    image = Image.open(io.BytesIO(encoded))
    assert image.size == (int(width), int(height))
    return image


def read_histogram(directory, tag):
    """Returns the last buckets `[N, 3]`: left, right, count."""
    found = events.read_values(directory, [tag], "histograms")[tag]
    return found[max(found)].tensor


def test_scalars_of_both_splits_share_their_tags(tmp_path, agent):
    summaries = make_summaries(tmp_path, agent)
    summaries.scalars("train", 10, {"general/image_loss": 2.5})
    summaries.scalars("test", 10, {"general/image_loss": 3.5})
    summaries.close()
    # Writing goes on in files of their own.
    summaries.scalars("train", 20, {"general/image_loss": 1.5})
    summaries.close()
    assert read_scalars(tmp_path / "train") == {
        "general/image_loss": {10: 2.5, 20: 1.5}
    }
    assert read_scalars(tmp_path / "test") == {"general/image_loss": {10: 3.5}}


@pytest.mark.parametrize("resumed_at", [3, 5, 9])
def test_resuming_takes_back_what_comes_again(tmp_path, agent, resumed_at):
    for first, last, offset in (0, 6, 0), (resumed_at, 10, 100):
        summaries = make_summaries(tmp_path, agent)
        if first:
            summaries.resume("train", first)
        for step in range(first, last):
            summaries.scalars("train", step, {"a": step + offset})
        if not first:
            summaries.scalars("train", 7, {"only_before": 1})
        summaries.close()
        # Names of one process end in a count, which need not sort; those of the
        # next process begin with a later time.
        (path,) = (tmp_path / "train").glob("events*.v2")
        path.rename(path.with_name(f"events.out.tfevents.{1000 + offset}.host"))
    expected = {
        **{step: step for step in range(min(resumed_at, 6))},
        **{step: step + 100 for step in range(resumed_at, 10)},
    }
    expected = {"a": expected}
    if resumed_at > 7:
        expected["only_before"] = {7: 1}
    assert read_scalars(tmp_path / "train") == expected


@pytest.fixture(scope="module")
def predicted(tmp_path_factory, agent):
    """A folder with predictions, the last of them, and who wrote them."""
    path = tmp_path_factory.mktemp("predicted")
    summaries = make_summaries(path, agent)
    batch = make_batch()
    summaries.predictions("train", 50, batch, SEED + 1)
    assert not (path / "prediction.gif").exists()
    summaries.predictions("test", 50, batch, SEED + 2)
    result = summaries.predictions("test", 100, batch, SEED)
    summaries.close()
    return path, result, summaries


def test_predictions_write_the_scalars_that_they_return(predicted):
    path, result, _ = predicted
    written = read_scalars(path / "test")
    assert {tag: x[100] for tag, x in written.items()} == result.scalars
    assert result.scalars["closedloop/divergence"] > 0
    assert {"closedloop/prior_reward_log_prob", "openloop/divergence"} <= set(
        written
    )
    assert all(list(by_step) == [50, 100] for by_step in written.values())
    assert set(read_scalars(path / "train")) == set(written)
    assert {tag.split("/")[0] for tag in written} == {"closedloop", "openloop"}


def test_closed_loop_scalars_agree_with_the_losses(predicted, agent):
    _, result, _ = predicted
    few = {key: value[:4] for key, value in make_batch().items()}
    image_seed, latent_seed = closed_loop_seeds()
    losses = agent.model.losses(
        agent.model.prepare(few, image_seed), latent_seed
    )
    scalars = result.scalars
    for name in HEADS:
        actual = -scalars[f"closedloop/{name}_log_prob"]
        np.testing.assert_allclose(actual, losses[name], rtol=1e-5)
    np.testing.assert_allclose(
        scalars["closedloop/divergence"], losses["divergence"], rtol=1e-4
    )


def test_open_loop_scalars_agree_with_each_other(predicted):
    _, result, _ = predicted
    ahead = {
        tag: value
        for tag, value in result.scalars.items()
        if tag.startswith("openloop/image_error")
    }
    # Two of the four frames are predicted without being seen.
    assert list(ahead) == [
        "openloop/image_error_ahead_01",
        "openloop/image_error_ahead_02",
    ]
    constant = 64 * 64 * 3 * math.log(2 * math.pi) / 2
    np.testing.assert_allclose(
        np.mean(list(ahead.values())),
        -result.scalars["openloop/image_log_prob"] - constant,
        rtol=1e-4,
    )


def test_prior_predicts_each_step_before_seeing_it(predicted, agent):
    """Its numbers are those of the heads on the prior states."""
    _, result, _ = predicted
    few = {key: value[:4] for key, value in make_batch().items()}
    image_seed, latent_seed = closed_loop_seeds()
    prepared = agent.model.prepare(few, image_seed)
    prior, _ = agent.model.infer(prepared, latent_seed)
    features = agent.model.cell.features_from_state(prior)
    for name in HEADS:
        mean = agent.model.heads[name](features).mean().numpy()
        error = mean - prepared[name].numpy()
        size = error[0, 0].size
        log_prob = -(error**2).sum() / 32 - size * math.log(2 * math.pi) / 2
        scalars = result.scalars
        np.testing.assert_allclose(
            scalars[f"closedloop/prior_{name}_log_prob"], log_prob, rtol=1e-4
        )
        np.testing.assert_allclose(
            scalars[f"closedloop/prior_{name}_abs_error"],
            np.abs(error).mean(),
            rtol=1e-4,
        )


def test_entropy_and_stddev_are_of_the_states(predicted, agent):
    _, result, _ = predicted
    few = {key: value[:4] for key, value in make_batch().items()}
    image_seed, latent_seed = closed_loop_seeds()
    states = agent.model.infer(
        agent.model.prepare(few, image_seed), latent_seed
    )
    for name, state in zip(("prior", "posterior"), states, strict=True):
        stddev = state["stddev"].numpy()
        entropy = np.log(stddev * math.sqrt(2 * math.pi * math.e)).sum(-1)
        np.testing.assert_allclose(
            result.scalars[f"closedloop/{name}_stddev"],
            stddev.mean(),
            rtol=1e-4,
        )
        np.testing.assert_allclose(
            result.scalars[f"closedloop/{name}_entropy"],
            entropy.mean(),
            rtol=1e-4,
        )


def test_rows_are_truth_prediction_error_and_change(predicted):
    _, result, _ = predicted
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
    path, result, _ = predicted
    strip = np.asarray(
        read_image(path / "test", "closedloop/prior_strip").convert("RGB")
    )
    rows = [
        result.videos["closedloop/prior_"][name][number]
        for number in range(2)
        for name in ("truth", "prediction", "error", "change")
    ]
    for row, frames in enumerate(rows):
        for time in range(4):
            top, left = 2 + 66 * row, 2 + 66 * time
            shown = strip[top : top + 64, left : left + 64].astype(int)
            # As near as 256 colours for all pictures come.
            assert np.abs(shown - frames[time]).mean() < 16
    assert (strip[0, 0] == video.SEEN).all()


def test_histograms_count_every_value(predicted):
    path, result, _ = predicted
    for tag, count in {
        "closedloop/divergence": 4 * 4,
        "closedloop/prior_entropy": 4 * 4,
        "closedloop/posterior_entropy": 4 * 4,
        "openloop/divergence": 4 * 2,  # Two of four steps are predicted.
        "openloop/prior_entropy": 4 * 2,
    }.items():
        buckets = read_histogram(path / "test", f"{tag}_histogram")
        assert buckets[:, 2].sum() == count
        mean = result.scalars[tag]
        assert buckets[0, 0] <= mean <= buckets[-1, 1]
    # Those of the data are of the whole batch.
    batch = make_batch()
    for name in ("action", "reward"):
        buckets = read_histogram(
            path / "test", f"general/data_{name}_histogram"
        )
        assert buckets[:, 2].sum() == np.size(batch[name])
        np.testing.assert_allclose(buckets[0, 0], np.min(batch[name]))
        np.testing.assert_allclose(buckets[-1, 1], np.max(batch[name]))


def test_trajectories_are_plotted(predicted, monkeypatch):
    path, _, summaries = predicted
    drawn = {}

    def draw(panels, seen=0):
        drawn[next(iter(panels))] = panels, seen
        return np.zeros((5, 5, 3), np.uint8)

    with monkeypatch.context() as patch:
        patch.setattr(curves, "draw_panels", draw)
        summaries.predictions("test", 150, make_batch(), SEED)
        summaries.close()
    tags = set(read(path / "test"))
    for name in ("reward", "position", "latent"):
        assert f"openloop/{name}_trajectory" in tags
    assert "openloop/log_probs" in tags
    assert not any("image_trajectory" in tag for tag in tags)
    panels, seen = drawn["position 0"]
    assert seen == 2
    assert list(panels) == [f"position {number}" for number in range(3)]
    truth = make_batch()["position"].numpy()[0]  # Of the first sequence.
    for number, lines in enumerate(panels.values()):
        np.testing.assert_allclose(lines["truth"], truth[:, number])
        assert lines["prediction"].shape == (4,)
    assert len(drawn["reward"][0]) == 1
    assert len(drawn["latent 0"][0]) == 5
    names = list(drawn["divergence"][0])
    assert names == ["divergence", "image", "position", "reward"]


def test_lines_mark_what_is_seen(predicted):
    path, _, _ = predicted
    for name, seen in (
        ("closedloop/", 4),
        ("closedloop/prior_", 4),
        ("openloop/", 2),
    ):
        animation = read_image(path / "test", f"{name}animation")
        assert (animation.format, animation.n_frames) == ("GIF", 4)
        for time in range(4):
            animation.seek(time)
            corner = animation.convert("RGB").getpixel((0, 0))
            assert corner == (video.SEEN if time < seen else video.UNSEEN)


def test_open_loop_uses_no_later_observation(tmp_path, agent, predicted):
    _, before, _ = predicted
    batch = make_batch()
    late = tf.zeros_like(batch["image"][:, 2:])
    image = tf.concat([batch["image"][:, :2], late], 1)
    after = make_summaries(tmp_path, agent).predictions(
        "test", 0, {**batch, "image": image}, SEED
    )
    for group, same in (("openloop/", True), ("closedloop/", False)):
        one, two = (
            result.videos[group]["prediction"][:, 2:]
            for result in (before, after)
        )
        assert (one == two).all() == same


def test_gif_file_is_the_large_animation(predicted):
    path, result, _ = predicted
    image = Image.open(path / "prediction.gif")
    assert image.n_frames == 4
    # Three rows of four sequences, with labels to the left and above.
    assert image.width > 2 * 4 * 66 and image.height > 2 * 3 * 66
    pixels = np.asarray(image.convert("RGB")).astype(int)
    shown = pixels[-2 * 200 :][4 : 4 + 128 : 2, -2 * 266 :][:, 4 : 4 + 128 : 2]
    truth = result.videos["openloop/"]["truth"][0, 0]
    assert np.abs(shown - truth).mean() < 16


def test_long_animations_leave_frames_out(tmp_path, agent):
    summaries = make_summaries(tmp_path, agent)
    batch = make_batch(length=26, size=1)
    result = summaries.predictions("test", 0, batch, SEED)
    summaries.close()
    animation = read_image(tmp_path / "test", "openloop/animation")
    assert animation.n_frames == 13
    assert animation.info["duration"] == 100
    assert Image.open(tmp_path / "prediction.gif").n_frames == 26
    ahead = [tag for tag in result.scalars if "image_error" in tag]
    assert [int(tag[-2:]) for tag in ahead] == [1, 2, 5, 10, 20]


def test_agent_without_images(tmp_path, agent):
    """There are numbers and curves, but no pictures of what it sees."""
    summaries = make_summaries(tmp_path, agent)
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
    assert set(read(tmp_path / "test")) == {
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
    summaries = make_summaries(tmp_path, Agent())
    summaries.predictions("test", 5, make_batch(), SEED)
    summaries.close()
    assert set(read(tmp_path / "test")) == {
        "general/data_strip",
        "general/data_action_histogram",
        "general/data_reward_histogram",
    }


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
    summaries = make_summaries(tmp_path, agent)
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
    buckets = read_histogram(tmp_path / "test", f"{group}/reward_histogram")
    assert buckets[:, 2].sum() == 2  # What is not a number does not count.
