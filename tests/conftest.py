"""Settings and runs that every test shares."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Lets pytest-xdist send what was captured of names that are not UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


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
