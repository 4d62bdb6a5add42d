import numpy as np
import pytest

from planet_tf2.evaluation import aggregate


class TestEpisodesOfARun:
    def test_by_hand(self):
        result = aggregate.summarise([1, 2, 3, 6])
        assert result["episodes"] == 4
        assert result["mean"] == 3
        # Squares of the distances: 4, 1, 0, 9; divided by three.
        assert result["stddev"] == pytest.approx(np.sqrt(14 / 3))
        assert result["stderr"] == pytest.approx(np.sqrt(14 / 3) / 2)
        # Student's t for three degrees of freedom, from a table.
        half = 3.182446 * np.sqrt(14 / 3) / 2
        assert result["confidence_interval"] == pytest.approx(
            [3 - half, 3 + half], rel=1e-5
        )
        assert result["median"] == 2.5
        assert (result["min"], result["max"]) == (1, 6)

    def test_one_episode_has_no_spread(self):
        result = aggregate.summarise([5])
        assert result["mean"] == 5
        for name in ("stddev", "stderr", "confidence_interval"):
            assert result[name] is None

    def test_equal_episodes(self):
        result = aggregate.summarise([2.5] * 3)
        assert result["stddev"] == 0
        assert result["confidence_interval"] == [2.5, 2.5]

    def test_no_episodes(self):
        with pytest.raises(ValueError, match="returns to sum up"):
            aggregate.summarise([])


class TestSeveralRuns:
    def test_interquartile_mean_leaves_out_both_quarters(self):
        assert aggregate.interquartile_mean([100, 3, 2, -50]) == 2.5
        values = [1000, 5, 4, 3, 2, 1, 0, -1000]
        assert aggregate.interquartile_mean(values) == 2.5

    def test_of_few_runs_it_is_the_mean(self):
        assert aggregate.interquartile_mean([0, 0, 9]) == 3

    def test_by_hand(self):
        result = aggregate.summarise_runs([1, 2, 4, 100])
        assert result["runs"] == 4
        assert result["mean"] == 26.75
        assert result["interquartile_mean"] == 3
        low, high = result["confidence_interval"]
        # One sample in 4 ** 4 has only the lowest of the values, and so has
        # the best; the middle of most is between the two.
        assert 1 <= low < 3 < high <= 100

    def test_interval_of_two_runs_by_enumeration(self):
        # Means of samples of two: 0 and 10 in a quarter of cases each.
        result = aggregate.summarise_runs([0, 10])
        assert result["confidence_interval"] == [0, 10]

    def test_interval_narrows_with_runs_that_agree(self):
        rng = np.random.default_rng(0)

        def width(count):
            values = rng.normal(500, 20, count)
            low, high = aggregate.summarise_runs(values)["confidence_interval"]
            assert low < aggregate.interquartile_mean(values) < high
            return high - low

        assert width(50) < width(5)

    def test_seed_decides(self):
        values = np.random.default_rng(1).normal(size=7)
        intervals = [
            aggregate.summarise_runs(values, seed)["confidence_interval"]
            for seed in (3, 3, 4)
        ]
        assert intervals[0] == intervals[1] != intervals[2]

    def test_one_run(self):
        result = aggregate.summarise_runs([7.0])
        assert result["interquartile_mean"] == 7
        assert result["stddev"] is result["confidence_interval"] is None

    def test_equal_runs(self):
        result = aggregate.summarise_runs([7.0, 7.0])
        assert result["confidence_interval"] == [7, 7]
