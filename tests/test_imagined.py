"""The world model of a run as a Gymnasium environment."""

import types

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

import planet_tf2
from planet_tf2.envs.imagined import ImaginedEnv


class FakeDreams:
    """A counter as the world; what it expects of the end can be set."""

    observation_space = spaces.Dict({"state": spaces.Box(0, 99, (1,))})
    latent_space = spaces.Box(-np.inf, np.inf, (2,))
    action_space = spaces.Discrete(2)
    horizon = 4

    def __init__(self, cont=1.0):
        self.cont, self.started = cont, []

    def draw(self, rng, context):
        return {"drawn": rng.integers(100), "context": context}

    def start(self, episode, seed, shown):
        self.started.append(episode)
        return self._dream(0, shown)

    def step(self, state, action, seed, shown):
        return self._dream(state + 1 + action, shown)

    def _dream(self, state, shown):
        seen = {"state": np.float32([state])} if shown else {}
        return types.SimpleNamespace(
            state=state,
            latent=np.float32([state, 1]),
            reward=float(state),
            cont=self.cont,
            observation=seen,
        )


def make(cont=1.0, **settings):
    dreams = FakeDreams(cont)
    agent = types.SimpleNamespace(dreams=dreams)
    return ImaginedEnv(agent, **settings), dreams


def test_episodes_are_cut_off():
    env, dreams = make(context=7)
    env.reset(seed=1)
    steps = [env.step(1) for _ in range(4)]
    assert [s[0]["state"].tolist() for s in steps] == [[2], [4], [6], [8]]
    assert [s[1] for s in steps] == [2.0, 4.0, 6.0, 8.0]
    assert [s[3] for s in steps] == [False, False, False, True]
    assert not any(s[2] for s in steps)
    assert dreams.started[0]["context"] == 7
    env.reset(options={"episode": {"mine": 1}})
    assert dreams.started[1] == {"mine": 1}
    assert not env.step(0)[3]


def test_episodes_end_as_often_as_is_expected():
    env, _ = make(cont=0.75, horizon=10**6)
    env.reset(seed=0)
    ends = [env.step(0)[2] for _ in range(2000)]
    assert 0.22 < np.mean(ends) < 0.28
    env, _ = make(cont=0.0, horizon=1)
    env.reset(seed=0)
    assert env.step(0)[2:4] == (True, False)


def test_the_latent_state_is_shown_instead():
    env, _ = make(observe="latent")
    seen, info = env.reset(seed=0)
    assert seen.tolist() == [0, 1] and info == {"cont": 1.0}
    assert env.observation_space == FakeDreams.latent_space


def test_mistakes():
    with pytest.raises(ValueError, match="horizon is 0, but"):
        make(horizon=0)
    with pytest.raises(ValueError, match="context is -1, but"):
        make(context=-1)
    with pytest.raises(ValueError, match="'images'.*observations or latent"):
        make(observe="images")
    env, _ = make()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    with pytest.raises(ValueError, match="action 2 is not in Discrete"):
        env.step(2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*WARN")
class TestOfARun:
    def test_keeps_the_interface(self, trained):
        agent = planet_tf2.load_agent(trained.folder.path)
        env = ImaginedEnv(agent, render_mode="rgb_array")
        check_env(env, skip_render_check=True)
        env.reset(seed=0)
        assert env.render().shape == (64, 64, 3)
        check_env(ImaginedEnv(agent, observe="latent"))

    def test_by_name_and_as_the_seed_says(self, trained):
        env = gymnasium.make(
            "planet_tf2.envs.imagined:planet_tf2/Imagined-v0",
            run_dir=trained.folder.path,
            observe="latent",
            horizon=3,
        )

        def play(seed):
            seen = [env.reset(seed=seed)[0]]
            for _ in range(3):
                *step, truncated, _ = env.step(np.full(5, 0.5, np.float32))
                seen.append(step[0])
            assert truncated
            return np.array(seen)

        np.testing.assert_array_equal(play(1), play(1))
        assert (play(1) != play(2)).any()

    def test_starts_from_what_is_handed_over(self, trained):
        env = ImaginedEnv(
            planet_tf2.load_agent(trained.folder.path), observe="latent"
        )
        image = np.zeros((1, 64, 64, 3), np.uint8)
        episode = {"image": image, "action": np.zeros((1, 5))}
        first, second = (
            env.reset(seed=0, options={"episode": x})[0]
            for x in (episode, {**episode, "image": image + 200})
        )
        assert (first != second).any()
        with pytest.raises(ValueError, match=r"needs 'action'.*\[T, 5\]"):
            env.reset(options={"episode": {"image": image}})
        with pytest.raises(ValueError, match=r"needs 'image'.*\[0, 64"):
            env.reset(options={"episode": {**episode, "image": image[:0]}})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_another_library_learns_in_it(trained):
    """Gradients of its policy come from imagined rewards."""
    baselines = pytest.importorskip("stable_baselines3")
    agent = planet_tf2.load_agent(trained.folder.path)
    env = ImaginedEnv(agent, observe="latent", horizon=20)
    learner = baselines.A2C("MlpPolicy", env, n_steps=10, seed=0, device="cpu")
    before = learner.policy.action_net.weight.detach().clone()
    learner.learn(100)
    assert learner.num_timesteps == 100
    assert (learner.policy.action_net.weight != before).any()
