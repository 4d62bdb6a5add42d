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


class TestSeveralRuns:
    @pytest.mark.parametrize(
        "means, expected",
        [
            ([100, 3, 2, -50], 2.5),
            ([1000, 5, 4, 3, 2, 1, 0, -1000], 2.5),
            ([0, 0, 9], 3),
        ],
    )
    def test_interquartile_mean_leaves_out_both_quarters(self, means, expected):
        result = aggregate.summarise_runs(means)
        assert result["interquartile_mean"] == expected

    def test_interval_of_two_runs_by_enumeration(self):
        # Means of samples of two: 0 and 10 in a quarter of cases each.
        result = aggregate.summarise_runs([0, 10])
        assert result["confidence_interval"] == [0, 10]
        assert (result["runs"], result["mean"]) == (2, 5)

    def test_one_run_and_equal_runs(self):
        result = aggregate.summarise_runs([7.0])
        assert result["interquartile_mean"] == 7
        assert result["stddev"] is result["confidence_interval"] is None
        result = aggregate.summarise_runs([7.0, 7.0])
        assert result["confidence_interval"] == [7, 7]
