"""Videos of what a model predicts."""

import imageio.v2 as imageio
import numpy as np
import pytest
from bad_folders import run_script
from PIL import Image
from small_runs import snapshot

from planet_tf2 import agents
from planet_tf2.evaluation import held_out, loading
from planet_tf2.evaluation.frames import true_image
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.predictions import Window
from planet_tf2.evaluation.video_prediction import (
    Predicted,
    _choose,
    lay_out,
    predict,
    video_prediction,
)
from planet_tf2.tools import video


def read_mp4(path):
    with imageio.get_reader(path) as reader:
        return np.stack(list(reader.iter_data())), reader.get_meta_data()


class TestMovie:
    def test_frames_come_back(self, tmp_path):
        frames = np.zeros((7, 40, 60, 3), np.uint8)
        for time in range(7):
            frames[time, :, 8 * time : 8 * time + 12] = (250, 200, 30)
        video.write_mp4(tmp_path / "m.mp4", frames, fps=5)
        back, about = read_mp4(tmp_path / "m.mp4")
        assert back.shape == frames.shape and about["fps"] == 5
        # The codec blurs edges, and halves the resolution of colours.
        assert np.abs(back.astype(int) - frames).mean() < 6
        assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]

    def test_odd_sizes(self, tmp_path):
        frames = np.full((2, 31, 33, 3), 128, np.uint8)
        video.write_mp4(tmp_path / "m.mp4", frames)
        assert read_mp4(tmp_path / "m.mp4")[0].shape == (2, 32, 34, 3)


@pytest.fixture
def predicted():
    """Two sequences of four frames, half of them seen."""
    truth = np.zeros((2, 4, 64, 64, 3), np.float32)
    truth[0] += np.array([0, 0.1, 0.3, 0.2])[:, None, None, None]
    prediction = truth.copy()
    prediction[0, 2] += 0.5
    prediction[1, 3] -= 0.25
    return Predicted(truth, prediction, 2)


class TestPredicted:
    def test_errors_by_hand(self, predicted):
        np.testing.assert_allclose(
            predicted.errors, [[0.25, 0], [0, 0.0625]], atol=1e-6
        )
        # The last frame that is seen has 0.1.
        np.testing.assert_allclose(
            predicted.still_errors, [[0.04, 0.01], [0, 0]], atol=1e-6
        )

    def test_layout(self, predicted):
        frames = lay_out(predicted, 1)
        margin = frames.shape[2] - (2 * 66 + 2)
        top = frames.shape[1] - (3 * 66 + 2)
        assert len(frames) == 4 and margin > 0 and top > 0
        # The line to the left of the first frame.
        line = frames[:, top + 30, margin]
        assert (line[:2] == video.SEEN).all()
        assert (line[2:] == video.UNSEEN).all()
        middle = [top + 2 + 66 * row + 32 for row in range(3)]
        first = margin + 2 + 32
        truth, prediction, error = (frames[2, y, first, 0] for y in middle)
        assert truth == round(0.8 * 255)
        assert prediction == 255  # It cannot be brighter.
        assert error == round(0.75 * 255)
        # No error is grey, one to the other side is dark.
        assert frames[0, middle[2], first, 0] == 128
        assert frames[3, middle[2], first + 66, 0] == round(0.375 * 255)
        captions = frames[:, :top, margin:]
        assert (captions[1] != captions[2]).any()


def test_sequences_of_the_latest_episodes():
    def episode(length):
        return HeldOut("", "agent", None, {"reward": np.zeros(length)})

    episodes = [episode(n) for n in (20, 10, 14, 9, 12)]
    assert _choose(episodes, 10, 3) == [
        Window(1, 0),
        Window(2, 2),
        Window(4, 2),
    ]
    # More than there are: from other places of the same ones.
    assert _choose(episodes[:1], 10, 3) == [
        Window(0, 0),
        Window(0, 5),
        Window(0, 10),
    ]


@pytest.mark.slow
class TestVideoPrediction:
    def test_script(self, trained, tmp_path, capsys):
        before = snapshot(trained.folder.path)
        out = tmp_path / "new" / "p.gif"
        arguments = ["--logdir", trained.folder.path, "--out", out]
        assert run_script("video_prediction", *arguments, "--sequences=2") == 0
        assert snapshot(trained.folder.path) == before
        names = sorted(path.name for path in out.parent.iterdir())
        assert names == ["p-error.png", "p.gif", "p.mp4"]
        with Image.open(out) as gif:
            assert gif.n_frames == 11
            size = gif.size
        frames, _ = read_mp4(out.with_suffix(".mp4"))
        assert frames.shape[:1] + frames.shape[2:0:-1] == (
            11,
            *(side + side % 2 for side in size),
        )
        assert "Error over 6 steps after 5 frames" in capsys.readouterr().out

    def test_truth_and_prediction(self, trained):
        run = loading.load_run(trained.folder)
        episodes = held_out.load_held_out(run)
        result = predict(run, episodes, 3, context=2, horizon=4)
        assert result.prediction.shape == (3, 6, 64, 64, 3)
        for row, episode in enumerate(episodes):
            start = (0, 2, 5)[row]  # Eleven frames, of which five are left.
            frames = episode.arrays["image"][start : start + 6]
            np.testing.assert_array_equal(
                result.truth[row], true_image(frames, 5)
            )
        again = predict(run, episodes, 3, context=2, horizon=4)
        np.testing.assert_array_equal(result.prediction, again.prediction)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"sequences": 0}, "sequences must be"),
            ({"sequences": 17}, "sequences must be"),
            ({"context": 11}, "too few for context 11"),
        ],
    )
    def test_wrong_numbers(self, trained, tmp_path, change, message):
        with pytest.raises(ValueError, match=message):
            video_prediction(trained.folder, tmp_path / "p.gif", **change)
        assert not list(tmp_path.iterdir())

    def test_agents_without_images(self, trained, tmp_path, monkeypatch):
        planet = agents.find("planet").PlaNet
        monkeypatch.setattr(planet, "has_model", False)
        with pytest.raises(ValueError, match="predicts no observations"):
            video_prediction(trained.folder, tmp_path / "p.gif")
