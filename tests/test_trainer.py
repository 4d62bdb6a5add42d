import pytest
import tensorflow as tf

from planet_tf2.tools.signals import Guard, Stopped
from planet_tf2.training.trainer import Outcome, Step, Trainer

NEVER = 10**9


class State(tf.Module):
    """Something to save."""

    def __init__(self):
        super().__init__()
        self.value = tf.Variable(0.0)


class Program:
    """A trainer with two phases of two stages each, as if just started."""

    def __init__(self, directory, checkpoint_every=NEVER, **kwargs):
        self.calls = []
        self.state = State()
        self.outcomes = {"train_b": Outcome(), "test_b": Outcome(score=0.5)}
        self.failing = {}
        self.flushes = tf.Variable(0)
        self.saved_at = []
        self.trainer = Trainer(
            directory,
            {"state": self.state, "flushes": self.flushes},
            checkpoint_every,
            writers=[self],
            **kwargs,
        )
        for phase, steps in (("train", 10), ("test", 5)):
            stages = [self._stage(f"{phase}_{name}") for name in "ab"]
            self.trainer.add_phase(phase, steps, 5, stages)

    def run(self, max_step=30):
        return list(self.trainer.iterate(max_step))

    def flush(self):
        self.flushes.assign_add(1)
        self.saved_at.append(self.trainer.global_step)

    def _stage(self, name):
        def stage(step):
            assert step.phase == name.split("_")[0]
            self.calls.append((name, step.global_step))
            if (name, step.global_step) in self.failing:
                raise self.failing[name, step.global_step]
            self.state.value.assign_add(1)
            return self.outcomes.get(name)

        return stage


EPOCH = [
    ("train_a", 0),
    ("train_b", 0),
    ("train_a", 5),
    ("train_b", 5),
    ("test_a", 10),
    ("test_b", 10),
]
TWO_EPOCHS = EPOCH + [(name, step + 15) for name, step in EPOCH]


def checkpoints(path):
    return sorted(p.stem for p in path.glob("ckpt-*.index"))


class TestSteps:
    def test_phases_follow_from_the_global_step(self, tmp_path):
        trainer = Trainer(tmp_path, {}, NEVER)
        trainer.add_phase("train", 20, 5, [])
        trainer.add_phase("test", 7, 5, [])  # Rounded up to 10.
        expected = [
            # Epoch, phase, phase and summary step, update, is_last.
            (0, "train", 0, 0, 0, False),
            (0, "train", 5, 5, 1, False),
            (0, "train", 10, 10, 2, False),
            (0, "train", 15, 15, 3, True),
            (0, "test", 0, 0, 0, False),
            (0, "test", 5, 5, 1, True),
            (1, "train", 20, 20, 4, False),
            (1, "train", 25, 25, 5, False),
            (1, "train", 30, 30, 6, False),
            (1, "train", 35, 35, 7, True),
            (1, "test", 10, 20, 2, False),
            (1, "test", 15, 25, 3, True),
            (2, "train", 40, 40, 8, False),
        ]
        for number, values in enumerate(expected):
            epoch, phase, *steps, is_last = values
            assert trainer.step_at(5 * number) == Step(
                phase, epoch, 5 * number, *steps, 5, is_last
            )


class TestIterate:
    def test_order_and_scores(self, tmp_path):
        program = Program(tmp_path)
        assert program.run(30) == [0.5, 0.5]
        assert program.calls == TWO_EPOCHS
        assert program.trainer.global_step == 30


class TestSave:
    @pytest.mark.parametrize(
        ("every", "steps"),
        # Also where batches do not divide the distance: past 12, 24, and 36.
        [(NEVER, [40]), (20, [20, 40, 40]), (12, [15, 25, 40, 40])],
    )
    def test_by_steps(self, tmp_path, every, steps):
        program = Program(tmp_path, every)
        program.outcomes.clear()
        program.run(40)
        assert program.saved_at == steps

    def test_what_is_written_is_flushed_before(self, tmp_path):
        program = Program(tmp_path)
        program.trainer.save()
        other = Program(tmp_path)
        other.trainer.restore()
        assert int(other.flushes) == 1

    def test_nothing_is_saved_to_a_run_that_was_lost(self, tmp_path):
        def check():
            raise PermissionError

        program = Program(tmp_path, guard=Guard(check=check))
        with pytest.raises(PermissionError):
            program.trainer.save()
        assert int(program.flushes) == 0 and checkpoints(tmp_path) == []


class TestResume:
    @pytest.mark.parametrize("point", range(12))
    def test_failure_at_any_stage(self, tmp_path, point):
        """Whatever was saved is not repeated, and the rest is."""
        program = Program(tmp_path)
        program.failing[TWO_EPOCHS[point]] = ValueError("broken")
        with pytest.raises(ValueError, match="broken"):
            program.run()
        other = Program(tmp_path)
        # Every second stage returns an outcome.
        saved = point // 2 * 2
        assert other.trainer.restore() == (saved > 0)
        assert other.state.value.numpy() == saved
        other.run()
        assert other.calls == TWO_EPOCHS[saved:]
        assert other.state.value.numpy() == 12


class TestStop:
    @pytest.mark.parametrize("point", [0, 1, 5, 6])
    def test_between_stages(self, tmp_path, point):
        program = Program(
            tmp_path, guard=Guard(lambda: len(program.calls) == point)
        )
        program.outcomes.clear()
        name, step = TWO_EPOCHS[point]
        # That of an update counts from when it is done.
        step += 5 * name.endswith("_b")
        with pytest.raises(Stopped, match=f"at step {step}\\b"):
            program.run()
        assert program.calls == TWO_EPOCHS[:point]
        other = Program(tmp_path)
        assert other.trainer.restore()
        other.run()
        assert other.calls == TWO_EPOCHS[point:]
        assert other.state.value.numpy() == 12
