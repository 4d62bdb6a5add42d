"""Which runs a user means, and what is wrong with others."""

import pytest
from bad_folders import bad_folder, make_run

from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation import runs

__all__ = ["bad_folder"]


def paths(folders):
    return [folder.path for folder in folders]


class TestFindRuns:
    def test_a_run_and_an_experiment(self, tmp_path):
        made = [make_run(tmp_path / name) for name in ("00002", "00001")]
        (tmp_path / "plots").mkdir()
        assert paths(runs.find_runs([tmp_path])) == made[::-1]
        assert runs.find_run(str(made[0])).path == made[0]
        with pytest.raises(RunFolderError, match="00001, 00002"):
            runs.find_run(tmp_path)

    def test_several_in_order_and_each_once(self, tmp_path):
        first = make_run(tmp_path / "b" / "00001")
        second = make_run(tmp_path / "a" / "00001")
        found = runs.find_runs(
            [tmp_path / "b", tmp_path / "a", first, tmp_path / "b" / "00001"]
        )
        assert paths(found) == [first, second]

    def test_runs_not_started_are_left_out_aloud(self, tmp_path):
        made = make_run(tmp_path / "00001")
        (tmp_path / "00002").mkdir()
        (tmp_path / "00002" / "PING").write_text("{}")
        said = []
        assert paths(runs.find_runs([tmp_path], report=said.append)) == [made]
        assert "00002" in said[0] and len(said) == 1

    def test_bad_folders(self, bad_folder):
        path, message = bad_folder
        if message == "unfinished":
            # What is there can be read; whoever needs more says so.
            assert runs.find_runs([path])
            return
        with pytest.raises(RunFolderError, match=message) as error:
            runs.find_runs([path])
        assert len(str(error.value).splitlines()) == 1
        assert "bad" in str(error.value)

    def test_beside_and_above_a_run(self, tmp_path):
        run = make_run(tmp_path / "logs" / "debug" / "00001")
        with pytest.raises(RunFolderError, match="logs there is debug"):
            runs.find_runs([tmp_path / "logs" / "dbug" / "00001"])
        with pytest.raises(RunFolderError, match=str(run)):
            runs.find_runs([tmp_path / "logs"])

    def test_failed_runs_on_request(self, tmp_path):
        path = make_run(tmp_path / "00001")
        for text, reason in (
            ("", "nobody knows"),
            (
                "Traceback\n  a\nsome.Module: bad luck",
                "d: Module: bad luck. The",
            ),
        ):
            (path / "FAIL").write_text(text)
            with pytest.raises(runs.UnusableRun, match=reason):
                runs.find_run(path)
        assert paths(runs.find_runs([path], allow_failed=True)) == [path]


def test_states(tmp_path):
    folder = RunFolder(make_run(tmp_path / "run"))
    assert runs.run_state(folder) == "stopped"
    folder.ping.write_text("{}")
    assert runs.run_state(folder) == "running"
    folder.done.write_text("{}")
    assert runs.run_state(folder) == "finished"
    folder.fail.write_text("")
    assert runs.run_state(folder) == "failed"


class TestParameters:
    def test_of_an_older_version(self, tmp_path):
        folder = RunFolder(make_run(tmp_path / "run", planner_horizon=3))
        text = folder.config.read_text()
        assert "free_nats: 3.0" in text
        folder.config.write_text(text.replace("  free_nats: 3.0\n", ""))
        params = runs.read_params(folder)
        assert params.free_nats == 3.0 and params.planner_horizon == 3

    def test_of_a_newer_version(self, tmp_path):
        folder = RunFolder(make_run(tmp_path / "run"))
        text = folder.config.read_text()
        folder.config.write_text(text.replace("free_nats", "free_bits"))
        with pytest.raises(RunFolderError, match="'free_bits'"):
            runs.read_params(folder)


@pytest.mark.parametrize(
    "paths, labels",
    [
        (["logs/cheetah/00001"], ["cheetah"]),
        (["logs/cheetah-best"], ["cheetah-best"]),
        (["a/x/00001", "a/x/00002", "b/x/00001"], ["a/x", "a/x", "b/x"]),
        (["a/x/00001", "a/y/z/00001", "a/w"], ["x", "y/z", "w"]),
        (["a/00001", "a/b/00001"], ["a", "a/b"]),
    ],
)
def test_labels_take_as_much_of_the_path_as_tells_them_apart(paths, labels):
    names = runs.label_experiments([RunFolder(path) for path in paths])
    assert list(names.values()) == labels
