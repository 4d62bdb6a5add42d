"""How often something is tried again, and what is said and kept meanwhile."""

import traceback

import pytest
from session_fakes import Program

from planet_tf2.data import episodes
from planet_tf2.envs import EnvError
from planet_tf2.training.attempts import Attempts, EnvUnreliable


class Breaking:
    """Fails in some of its calls, counted over all of its life."""

    def __init__(self, *calls, error=None):
        self.calls = 0
        self._failing = calls
        self._error = error or EnvError("OSError", "gone", "the traceback")

    def __call__(self, *args):
        self.calls += 1
        if self.calls - 1 in self._failing:
            raise self._error
        return args


class TestAttempts:
    def test_failures_count_in_a_row(self):
        work = Breaking(0, 1, 3, 4, 6)
        attempts = Attempts(3)
        assert [attempts.run("testing", work) for _ in range(3)] == [
            (2,),
            (2,),
            (1,),
        ]

    @pytest.mark.parametrize(
        "most,words", [(1, "failed once"), (3, "failed 3 times in a row")]
    )
    def test_gives_up(self, most, words):
        error = EnvError("OSError", "gone.", "the traceback")
        work = Breaking(*range(9), error=error)
        with pytest.raises(EnvUnreliable, match=words) as caught:
            Attempts(most).run("testing it", work)
        assert work.calls == most
        summary = caught.value.summary
        assert "env_max_failures" in summary and "OSError: gone." in summary
        assert str(caught.value) == summary and "the trace" not in summary
        text = "".join(traceback.format_exception(caught.value))
        assert text.count("the traceback") == 1


class TestSession:
    """Training goes on, with the episodes that were complete."""

    # Rollouts of a whole run: training and test episodes of two epochs.
    ROLLOUTS = 4

    def test_repeated_rollouts_have_seeds_of_their_own(self, tmp_path):
        def calls(*failures, folder=""):
            program = Program(
                tmp_path / f"{failures}{folder}",
                attempts=Attempts(3),
                on_rollout=Breaking(*failures),
            )
            program.run()
            return [
                (tuple(env_seeds), tuple(seed))
                for env_seeds, seed, _ in program.rollouts["walk"].calls
            ]

        smooth, once, twice = calls(), calls(1), calls(1, 2)
        assert len(set(smooth)) == self.ROLLOUTS
        # What comes behind the repeated one is as if nothing had been.
        assert once == [*smooth[:2], once[2], *smooth[2:]]
        assert twice == [*once[:3], twice[3], *smooth[2:]]
        assert len({*smooth, *once, *twice}) == self.ROLLOUTS + 2
        assert calls(1, 2, folder="again") == twice

    def test_seed_episodes_that_break(self, tmp_path, monkeypatch):
        smooth = Program(tmp_path / "smooth")
        smooth.run()
        program = Program(tmp_path / "rough", attempts=Attempts(2))
        env = program.envs["walk"]
        step, work = env.step, Breaking(1, 7)

        def breaking(action):
            work()
            return step(action)

        monkeypatch.setattr(env, "step", breaking)
        program.run()
        trace = program.trace()
        assert trace["metrics"] == smooth.trace()["metrics"]
        assert trace["files"] == smooth.trace()["files"]

    def test_gives_up_and_goes_on(self, tmp_path):
        """What was complete stays; nothing else was written."""
        smooth = Program(tmp_path / "smooth")
        smooth.run()
        program = Program(
            tmp_path / "rough",
            attempts=Attempts(2),
            on_rollout=Breaking(1, 2),
        )
        with pytest.raises(EnvUnreliable, match="collecting walk"):
            program.run()
        assert program.count("train") == 3 and program.count("test") == 2
        again = Program(tmp_path / "rough", attempts=Attempts(2))
        again.run()
        assert again.trace() == smooth.trace()
        for split in ("train", "test"):
            directory = getattr(again.folder, f"{split}_episodes")
            for name in episodes.list_episodes(directory):
                episodes.load_episode(directory / name)
