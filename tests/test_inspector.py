"""Looking into plans, against a recomputation step by step."""

import numpy as np
import pytest
import tensorflow as tf
from bad_folders import run_script
from report_runs import Page, check_page
from small_runs import snapshot

from planet_tf2 import agents
from planet_tf2.agents.planet import build
from planet_tf2.evaluation import held_out, loading
from planet_tf2.evaluation.held_out import EpisodesError
from planet_tf2.evaluation.inspector.inspect_planner import inspect_planner
from planet_tf2.evaluation.inspector.inspection import (
    choose_decisions,
    choose_episode,
    inspect,
)
from planet_tf2.tools import seeds

SEED, TIME = 3, 4


@pytest.fixture(scope="module")
def run(trained):
    return loading.load_run(trained.folder)


@pytest.fixture(scope="module")
def episode(run):
    return choose_episode(run)


@pytest.fixture(scope="module")
def inspection(run, episode):
    return inspect(run, episode, [TIME, episode.length - 1], SEED)


@pytest.fixture
def decision(inspection):
    return inspection[1][0]


def normal(shape, seed):
    return seeds.normal(seed, tf.constant(shape))


def reward_of(run, state):
    """What the reward head says of a state `[N, ...]`, as an array `[N]`."""
    features = run.agent.model.cell.features_from_state(state)
    return run.agent.model.heads["reward"].mean(features).numpy()


@pytest.fixture(scope="module")
def stepped(run, episode):
    """The episode filtered by hand, a step after the other.

    The noise is what the first call of a predictor draws, for an episode whose
    length is rounded up to a multiple of 25.
    """
    model, cell = run.agent.model, run.agent.model.cell
    image_seed, latent_seed = seeds.split(seeds.derive(SEED, 3, 1), 2)
    rows = np.minimum(np.arange(25), episode.length)
    image = tf.constant(episode.arrays["image"][rows][None])
    embedded = model.encoder(model.preprocess(image, image_seed))
    noise = normal([25, 2, 1, cell.latent_size], latent_seed)
    state, posteriors = cell.zero_state(1), []
    for time in range(episode.length + 1):
        _, state = cell.observe(
            state,
            tf.constant(episode.arrays["action"][time : time + 1]),
            embedded[:, time],
            (noise[time, 0], noise[time, 1]),
        )
        posteriors.append(state)
    return posteriors


def imagine_by_hand(run, state, action, noise):
    """States after each action, for actions `[N, H, A]` from one state."""
    state = {k: tf.repeat(v, len(action), 0) for k, v in state.items()}
    states = []
    for step in range(action.shape[1]):
        state = run.agent.model.cell.transition(
            state, tf.constant(action[:, step], tf.float32), noise[step]
        )
        states.append(state)
    return states


@pytest.mark.slow
class TestAgainstSteppingByHand:
    def test_search(self, run, decision, stepped):
        """Candidates, returns and best ones again, in NumPy."""
        params, cell = run.params, run.agent.model.cell
        horizon, amount = params.planner_horizon, params.planner_amount
        search_seed, _ = seeds.split(seeds.derive(SEED, 4, TIME), 2)
        mean = np.zeros((horizon, run.action_size))
        stddev = np.ones_like(mean)
        trace = decision.trace
        for iteration in range(params.planner_iterations):
            np.testing.assert_allclose(
                trace.mean[iteration], mean, rtol=1e-3, atol=1e-4
            )
            np.testing.assert_allclose(
                trace.stddev[iteration], stddev, rtol=1e-3, atol=1e-3
            )
            action_seed, latent_seed = seeds.split(
                seeds.fold_in(search_seed, iteration), 2
            )
            drawn = normal([1, amount, *mean.shape], action_seed)[0].numpy()
            candidates = np.clip(mean + stddev * drawn, -1, 1)
            noise = normal([horizon, amount, cell.latent_size], latent_seed)
            states = imagine_by_hand(run, stepped[TIME], candidates, noise)
            returns = sum(reward_of(run, state) for state in states)
            best = np.argsort(-returns)[: params.planner_topk]
            mean = candidates[best].mean(0)
            stddev = candidates[best].std(0)
            for found, expected in (
                (trace.best, returns.max()),
                (trace.elite, returns[best].mean()),
                (trace.average, returns.mean()),
            ):
                np.testing.assert_allclose(
                    found[iteration], expected, rtol=1e-4, atol=1e-5
                )
        np.testing.assert_allclose(
            decision.planned.action, mean, rtol=1e-3, atol=1e-4
        )

    def test_futures(self, run, decision, episode, stepped):
        horizon = run.params.planner_horizon
        _, seed = seeds.split(seeds.derive(SEED, 4, TIME), 2)
        noise = normal([horizon, 1, run.agent.model.cell.latent_size], seed)
        taken = episode.arrays["action"][TIME + 1 : TIME + 1 + horizon]
        np.testing.assert_array_equal(decision.expected.action, taken)
        for future in (decision.expected, decision.planned):
            states = imagine_by_hand(
                run, stepped[TIME], future.action[None], noise
            )
            reward = [reward_of(run, state)[0] for state in states]
            np.testing.assert_allclose(
                future.reward, reward, rtol=1e-4, atol=1e-5
            )
            for state, image in zip(states, future.image, strict=True):
                features = run.agent.model.cell.features_from_state(state)
                shown = (
                    run.agent.model.heads["image"](features).mean()[0].numpy()
                )
                np.testing.assert_allclose(
                    image / 255 - 0.5, np.clip(shown, -0.5, 0.5), atol=0.01
                )

    def test_what_happened(self, decision, episode):
        happened = decision.happened
        after = slice(TIME + 1, TIME + 3)
        for name in ("action", "reward", "image"):
            np.testing.assert_array_equal(
                getattr(happened, name), episode.arrays[name][after]
            )


@pytest.mark.slow
class TestInspector:
    def test_at_the_end_of_the_episode(self, inspection):
        """One decision is left, and the plan reaches further."""
        decision = inspection[1][1]
        lengths = {
            name: [len(value) for value in getattr(decision, name)[:3]]
            for name in ("planned", "expected", "happened")
        }
        assert lengths["planned"] == [2, 2, 2]
        assert lengths["expected"] == lengths["happened"] == [1, 1, 1]

    def test_same_seed_same_plans(self, run, episode, decision):
        _, (_, again) = inspect(run, episode, [0, TIME], SEED)
        _, (other,) = inspect(run, episode, [TIME], SEED + 1)
        plan = decision.planned.action
        np.testing.assert_array_equal(again.planned.action, plan)
        assert (other.planned.action != plan).any()

    def test_planner_that_does_not_tell(
        self, run, episode, tmp_path, monkeypatch
    ):
        def still(
            cell, objective, state, size, horizon, *numbers, seed, **options
        ):
            return tf.zeros([1, horizon, size])

        monkeypatch.setitem(build.PLANNERS, "cem", still)
        _, (found,) = inspect(run, episode, [TIME])
        assert found.trace is None
        out = tmp_path / "p.html"
        inspect_planner(run.folder, out, decisions=["1"])
        page = Page(out)
        check_page(page)
        assert "does not tell how it searches" in page.text
        assert "The search:" not in page.text


@pytest.mark.slow
class TestEpisodes:
    def names(self, folder):
        return sorted(path.name for path in folder.glob("*.npz"))

    def test_by_number_name_and_path(self, run):
        tests = self.names(run.folder.test_episodes)
        trained = self.names(run.folder.train_episodes)
        for given, expected in (
            (None, tests[-1]),
            ("1", tests[0]),
            ("-2", tests[-2]),
            (trained[1], trained[1]),
            (trained[0].removesuffix(".npz"), trained[0]),
        ):
            assert choose_episode(run, given).name == expected
        latest = choose_episode(run)
        assert (latest.source, latest.task) == (held_out.AGENT, "dummy")

    def test_from_elsewhere(self, run, tmp_path):
        name = self.names(run.folder.test_episodes)[0]
        path = tmp_path / "mine.npz"
        path.write_bytes((run.folder.test_episodes / name).read_bytes())
        found = choose_episode(run, str(path))
        assert (found.name, found.source) == ("mine.npz", held_out.GIVEN)
        path.write_bytes(b"what?")
        with pytest.raises(EpisodesError, match="mine.npz"):
            choose_episode(run, str(path))

    def test_unknown_or_several(self, run):
        start = self.names(run.folder.test_episodes)[0].partition("T")[0]
        for name in ("0", "99", "-99", "nothing.npz", f"{start}T"):
            with pytest.raises(EpisodesError, match=f"episode is '?{name}"):
                choose_episode(run, name)


class TestDecisions:
    def test_by_default(self):
        assert choose_decisions(101) == [10, 50, 90]
        assert choose_decisions(1) == [0]
        assert choose_decisions(2, []) == [0]

    def test_given(self):
        assert choose_decisions(50, ["40", " 3", 40]) == [3, 40]

    @pytest.mark.parametrize("given", [["50"], ["-1"], ["two"], range(13)])
    def test_wrong(self, given):
        with pytest.raises(ValueError, match="at most 12 of .* 0 to 49"):
            choose_decisions(50, given)


@pytest.mark.slow
class TestScript:
    def test_page(self, trained, inspection, tmp_path, capsys):
        """The same decisions and seed as above, and so the same figures."""
        before = snapshot(trained.folder.path)
        out = tmp_path / "new" / "plans.html"
        arguments = ["--logdir", trained.folder.path, "--out", out]
        arguments += ["--decisions", f"{TIME},9", "--episode=-1"]
        arguments += [f"--seed={SEED}"]
        assert run_script("inspect_planner", *arguments) == 0
        assert snapshot(trained.folder.path) == before
        page = Page(out)
        check_page(page)
        assert {f"decision-{TIME}", "decision-9"} <= {
            a.get("id") for _, a in page.elements
        }
        # The episode, and a strip for each decision.
        assert len(page.of("img")) == 3
        # Three over time, and four for each decision.
        assert len(page.of("svg")) == 11
        said = capsys.readouterr().out
        for decision in inspection[1]:
            trace = decision.trace
            for value in (*trace.best, *trace.elite, *trace.average):
                assert f"{value:.3f}" in page.text
            for value in decision.happened.reward:
                assert f"{value:.3f}" in page.text
            promised = f"promises {decision.planned.reward.sum():.2f}"
            assert promised in page.text and promised in said

    def test_mistakes_show_before_anything_is_written(self, trained, tmp_path):
        out = tmp_path / "p.html"
        with pytest.raises(ValueError, match="episode is 77"):
            inspect_planner(trained.folder, out, episode="77")
        assert not out.exists()

    def test_agents_without_plans(self, trained, tmp_path, monkeypatch):
        planet = agents.find("planet").PlaNet
        monkeypatch.setattr(planet, "has_plans", False)
        with pytest.raises(ValueError, match="makes no plans"):
            inspect_planner(trained.folder, tmp_path / "p.html")
