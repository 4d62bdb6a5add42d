"""Settings and runs that every test shares."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished small run of the real program, and its model.

    Look at it, but leave it as it is: copy it to change something.
    """
    import small_runs

    return small_runs.train_and_keep_model(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def no_predictions(monkeypatch):
    """Building their graph takes a good part of a short run."""
    monkeypatch.setattr(
        "planet_tf2.training.assemble.Summaries.predictions",
        lambda *args, **kwargs: None,
    )
