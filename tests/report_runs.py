"""Folders of runs that are made up, and pages taken apart."""

import math
from html.parser import HTMLParser

import numpy as np
from bad_folders import make_run

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.report.gather import gather
from planet_tf2.tools import video
from planet_tf2.tools.journal import Journal

HALF_LOG_2PI = math.log(2 * math.pi) / 2
# Of 64 x 64 x 3 numbers, and half the variance of what hides the steps of 5
# bits.
IMAGE_CONSTANT = 12288 * (HALF_LOG_2PI + 1 / 32**2 / 24)


def losses(count, image=5.0, reward=0.1, divergence=1.0):
    """Lines of so many updates; the divergence may be a function of them."""

    return [
        {
            "phase": "train",
            "step": 5 * update,
            "update": update,
            "image_loss": IMAGE_CONSTANT + image,
            "reward_loss": HALF_LOG_2PI + reward,
            "divergence_loss": divergence(update)
            if callable(divergence)
            else divergence,
            "gradient_norm": 3.0,
            "updates_per_second": 2.0,
            "elapsed_seconds": update / 2,
        }
        for update in range(1, count + 1)
    ]


def episode(phase, number, score, step=0, **details):
    return {
        "phase": phase,
        "split": "test" if phase == "test" else "train",
        "step": step,
        "update": step // 5 + (step > 0),
        "task": "cheetah_run",
        "episode": number,
        "env_step": 1000 * number,
        "simulator_steps": 1000,
        "length": 250,
        "return": score,
        "file": f"{number}.npz",
        "elapsed_seconds": step / 10,
        **details,
    }


def usual_records(updates=40):
    """Two random episodes, updates, an episode and a test."""
    step = 5 * updates
    return [
        episode("seed", 1, 10.0),
        episode("seed", 2, 14.0),
        *losses(updates),
        episode("train", 3, 50.0, step, elapsed_seconds=updates / 2 + 10),
        episode("test", 1, 60.0, step, elapsed_seconds=updates / 2 + 20),
    ]


def make(path, records=None, pictures=False, **overrides):
    """Makes a run that has measured something."""
    overrides = {
        "tasks": ["cheetah_run"],
        "action_repeat": 4,
        "collect_every": 200,
        "train_collects": [{}],
        **overrides,
    }
    folder = RunFolder(make_run(path, **overrides))
    journal = Journal(folder.metrics)
    for record in usual_records() if records is None else records:
        journal.append(record)
    if pictures:
        frames = np.random.default_rng(0).integers(
            0, 256, (40, 60, 80, 3), np.uint8
        )
        for place in (folder.prediction_gif, folder.episode_gif):
            video.write_gif(place, frames)
    return folder


def add_episode(folder, image, reward):
    """Stores a training episode of constant images `[T+1]` and rewards."""
    frames = np.zeros((len(image), 64, 64, 3), np.uint8)
    frames += np.array(image, np.uint8)[:, None, None, None]
    folder.train_episodes.mkdir(exist_ok=True)
    arrays = {
        "image": frames,
        "action": np.zeros((len(image), 6), np.float32),
        "reward": np.array(reward, np.float32),
    }
    episodes.save_episode(folder.train_episodes, arrays)


def read_one(folder):
    (run,) = gather(folder.path)
    return run


class Page(HTMLParser):
    """What is in a page: elements, names, addresses, text."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements = []
        self.words = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def check_page(page):
    """What every page keeps to: nothing from outside, all for all readers."""
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            address = attributes.get(name)
            if address is not None:
                assert address.startswith(("data:", "#")), address
        assert not [name for name in attributes if name.startswith("on")]
        assert "url(" not in attributes.get("style", "").replace("url(#", "")
    assert not page.of("script") and not page.of("iframe")
    for style in ("@import", "url("):
        assert style not in page.source.partition("</style>")[0]
    names = [a["id"] for _, a in page.elements if "id" in a]
    assert len(names) == len(set(names))
    for attributes in page.of("a"):
        assert attributes["href"].removeprefix("#") in names
    for attributes in page.of("img"):
        assert len(attributes["alt"]) > 10
        assert attributes["width"] and attributes["height"]
    for attributes in page.of("svg"):
        assert attributes["role"] == "img" and attributes["aria-label"]
    for attributes in page.of("th"):
        assert attributes["scope"] in ("col", "row")
    assert page.of("html")[0]["lang"] == "en"
    assert any(a.get("name") == "viewport" for a in page.of("meta"))
    assert any("default-src 'none'" in str(a) for a in page.of("meta"))
