"""The page of published runs."""

import json

import pytest
from bad_folders import run_script

from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.evaluation import results_page

PAGE = f"# Results\n\n{results_page.BEGIN}\nold\n{results_page.END}\n\nMore.\n"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "docs" / "results.md"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


def result(name="walk-cpu-1", task="walker_walk", **changes):
    return {
        "name": name,
        "tasks": [
            {
                "task": task,
                "mean": 512.4,
                "stddev": 31.0,
                "episodes": 20,
                "random": 39,
                "published": 951,
                "policy": "policy.gif",
                "shown_return": 500.0,
            }
        ],
        "model": {
            "context": 5,
            "horizon": 45,
            "image_ratio": 0.314,
            "one_future_image_ratio": 0.628,
            "image_ratio_to_mean_frame": None,
            "reward_explained_variance": 0.9,
        },
        "preset": "cpu",
        "seed": 1,
        "command": "python scripts/train.py",
        "hardware": "two cores",
        "note": "",
        "train_episodes": 120,
        "simulator_steps": 120000,
        "hours": 3.26,
        **changes,
    }


def publish(tmp_path, *results):
    for result in results:
        place = tmp_path / "results" / result["name"]
        place.mkdir(parents=True)
        (place / "result.json").write_text(json.dumps(result))


def test_none(page, tmp_path):
    results_page.update_page(page, tmp_path / "results")
    text = page.read_text()
    assert "No run has been published yet." in text
    assert text.startswith("# Results\n\n<!--") and "old" not in text
    assert text.endswith("-->\n\nMore.\n")


def test_table_and_parts(page, tmp_path):
    publish(
        tmp_path,
        result(),
        result("run-cpu-1", "cheetah_run", hours=None, note="Aha."),
    )
    results_page.update_page(page, tmp_path / "results")
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert rows[2].startswith("| [run-cpu-1](#run-cpu-1) | PlaNet | cheet")
    assert rows[2].endswith("| 120 | 120,000 | - |")
    assert "| 512 ± 31 (20 episodes) | 39 | 951 |" in rows[3]
    assert rows[3].endswith("| 3.3 |")
    assert "of run-cpu-1](../results/run-cpu-1/curve.png)" in text
    assert "0.31 of a still picture's and - of the mean frame's" in text
    assert "of one sampled future 0.63 of a still picture's" in text
    assert "\nAha.\n" in text
    # Doing it again changes nothing.
    results_page.update_page(page, tmp_path / "results")
    assert page.read_text() == text


def test_earlier_versions_and_agents_without_images(page, tmp_path):
    early, blind = result(), result("walk-other-1", model=None)
    del early["model"]["one_future_image_ratio"]
    blind["tasks"][0]["policy"] = None
    publish(tmp_path, early, blind)
    results_page.update_page(page, tmp_path / "results")
    text = page.read_text()
    assert "of one sampled future - of a still" in text
    pictures = [w for w in text.split("](") if "walk-other-1/" in w]
    assert len(pictures) == 1 and "curve.png" in pictures[0]


def test_pages_without_marks(tmp_path):
    (tmp_path / "page.md").write_text(results_page.BEGIN + "\n")
    with pytest.raises(RunFolderError, match="needs the lines"):
        results_page.update_page(tmp_path / "page.md", tmp_path)


def test_script_without_a_run(page, tmp_path, capsys):
    publish(tmp_path, result())
    where = ["--results", tmp_path / "results"]
    assert run_script("publish_result", "--page", page, *where) == 0
    assert "walk-cpu-1" in page.read_text()
    assert "with 1 runs" in capsys.readouterr().out
    assert run_script("publish_result", *where) == 1
    assert "say --logdir, or --page" in capsys.readouterr().err
