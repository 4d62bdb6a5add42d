"""Image strips back to videos."""

import imageio.v2 as imageio
import numpy as np
import pytest
from bad_folders import run_script
from PIL import Image

from planet_tf2.evaluation import strips
from planet_tf2.evaluation.strips import cut_strip
from planet_tf2.tools import video


def make_videos(amount=3, length=6, height=16, width=16):
    """Every frame has a colour of its own."""
    values = 40 + np.arange(amount * length, dtype=np.uint8) * 8
    videos = values.reshape(amount, length, 1, 1, 1)
    return np.broadcast_to(videos, (amount, length, height, width, 3)).copy()


def write_png(path, image):
    Image.fromarray(image).save(path)
    return path


@pytest.mark.parametrize("context", [0, 1, 4, 6])
def test_lines_tell_the_frames(context):
    videos = make_videos(height=16, width=20)
    image = video.image_strip(videos, context=context)
    found, seen = cut_strip(image)
    np.testing.assert_array_equal(found, videos)
    assert seen == context


def test_strip_without_lines_is_cut_by_its_size():
    videos = make_videos(2, 5, 64, 64)
    image = video.image_strip(videos, separator=0)
    found, seen = cut_strip(image)
    np.testing.assert_array_equal(found, videos)
    assert seen == 0
    assert cut_strip(image, [32, 64])[0].shape == (4, 5, 32, 64, 3)


def test_frames_that_contain_the_colours_of_lines():
    videos = make_videos()
    videos[:, 3:, 4:8] = video.UNSEEN
    videos[0, 2] = video.SEEN
    image = video.image_strip(videos, context=2)
    np.testing.assert_array_equal(cut_strip(image)[0], videos)


@pytest.mark.parametrize(
    "shape, size",
    [
        ((64, 64, 3), None),
        ((67, 131, 3), None),
        ((64, 128, 3), [60, 64]),
    ],
)
def test_what_is_no_strip(shape, size):
    with pytest.raises(ValueError, match="frame_size"):
        cut_strip(np.full(shape, 90, np.uint8), size)


def test_gif(tmp_path, capsys):
    videos = make_videos()
    path = write_png(tmp_path / "a.png", video.image_strip(videos, context=2))
    out = tmp_path / "new" / "video.gif"
    status = run_script(
        "create_video", "--strip", path, "--out", out, "--fps", 5, "--scale=1"
    )
    assert status == 0
    assert "6 frames of 3 rows" in capsys.readouterr().out
    image = Image.open(out)
    assert image.n_frames == 6
    assert image.info["duration"] == 200
    # All rows below each other, the first green lines around what was seen.
    assert image.size == (16 + 4, 3 * 18 + 2)
    for time in range(6):
        image.seek(time)
        frame = np.asarray(image.convert("RGB"))
        for row in range(3):
            np.testing.assert_array_equal(
                frame[2 + 18 * row : 18 + 18 * row, 2:18], videos[row, time]
            )
        assert (frame[0] == (video.SEEN if time < 2 else video.UNSEEN)).all()


def test_mp4_with_rows_beside_each_other(tmp_path):
    videos = make_videos(amount=4)
    path = write_png(tmp_path / "a.png", video.image_strip(videos))
    out = tmp_path / "video.mp4"
    arguments = ["--strip", path, "--out", out, "--rows=2", "--scale=3"]
    assert run_script("create_video", *arguments) == 0
    frames = np.stack([frame for frame in imageio.get_reader(out)])
    assert frames.shape == (6, 3 * (2 * 18 + 2), 3 * (2 * 18 + 2), 3)
    # Rows 0 and 1 are on the left, 2 and 3 on the right.
    centers = frames[:, [30, 84]][:, :, [30, 84], 0].astype(int)
    expected = videos[:, :, 0, 0, 0].reshape(2, 2, 6).transpose(2, 1, 0)
    assert np.abs(centers - expected).max() < 8


def test_several_strips(tmp_path):
    folder = tmp_path / "strips"
    folder.mkdir()
    for name in ("a", "b"):
        write_png(folder / f"{name}.png", video.image_strip(make_videos()))
    out = tmp_path / "videos"
    assert run_script("create_video", "--strip", folder, "--out", out) == 0
    pattern = str(folder / "*.png")
    again = tmp_path / "again"
    assert run_script("create_video", "--out", again, pattern) == 0
    for place in (out, again):
        assert sorted(p.name for p in place.iterdir()) == ["a.gif", "b.gif"]
    with pytest.raises(ValueError, match="must be a folder"):
        strips.create_videos([folder], tmp_path / "one.gif")


def test_other_pictures_in_a_folder_are_left_out(tmp_path):
    strip = video.image_strip(make_videos())
    write_png(tmp_path / "openloop.strip-1.png", strip)
    other = write_png(tmp_path / "openloop.log_probs-1.png", strip)
    found = strips.find_strips([tmp_path])
    assert [path.name for path in found] == ["openloop.strip-1.png"]
    assert strips.find_strips([tmp_path, other])[1] == other


def make_bad(kind, tmp_path):
    if kind == "missing":
        return tmp_path / "no.png", "No such file"
    if kind == "empty":
        (tmp_path / "empty").mkdir()
        return tmp_path / "empty", "no PNG file in the folder"
    if kind == "text":
        path = tmp_path / "a.png"
        path.write_text("hello")
        return path, "is no strip"
    return write_png(tmp_path / "a.png", make_videos()[0, 0]), "frame_size"


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "frame"])
def test_bad_strips(kind, tmp_path, capsys):
    path, message = make_bad(kind, tmp_path)
    out = tmp_path / "out.gif"
    assert run_script("create_video", "--strip", path, "--out", out) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--out", "{}/a.avi"], ".gif or .mp4"),
        (["--out", "{}/a.gif", "--rows", "2"], "divides 3"),
        (["--out", "{}/a.gif", "--frame_size", "8"], "such as 64,64"),
        (["--out", "{}/a.png/b/c.gif"], "Cannot write"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path, capsys):
    path = write_png(tmp_path / "a.png", video.image_strip(make_videos()))
    arguments = [text.format(tmp_path) for text in arguments]
    assert run_script("create_video", "--strip", path, *arguments) == 1
    assert message in capsys.readouterr().err
