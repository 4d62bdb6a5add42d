"""Tasks with arguments: how they are written, checked and handed on."""

import pytest
import yaml

from planet_tf2 import agents
from planet_tf2.configs import builders, environments, task_text, tasks
from planet_tf2.configs.config_error import ConfigError


@pytest.mark.parametrize(
    "text,kwargs",
    [
        ("gym:CartPole-v1?continuous=False", {"continuous": False}),
        ("m:f?a=3&b=1e-4&c=null", {"a": 3, "b": 1e-4, "c": None}),
        ("m:f?a=[64, 48]&b={x: [1]}", {"a": [64, 48], "b": {"x": [1]}}),
        ("m:f?name=big maze&word='3'", {"name": "big maze", "word": "3"}),
        ("m:f?url=a%26b=c?d%25", {"url": "a&b=c?d%"}),
        ("gym:ale:ALE/Pong-v5?mode=1", {"mode": 1}),
        ("dmc:hopper_hop?time_limit=2", {"time_limit": 2}),
    ],
)
def test_text(text, kwargs):
    name, found = task_text.split(text)
    assert name == text.partition("?")[0] and found == kwargs
    # Another spelling of the same, and the way through a file.
    written = task_text.as_text({"id": name, "kwargs": kwargs})
    assert written == task_text.as_text(text)
    assert task_text.split(written) == (name, kwargs)
    assert yaml.safe_load(yaml.safe_dump([written])) == [written]
    (chosen,) = agents.resolve("debug", overrides={"tasks": [written]}).tasks
    assert chosen == written


def test_any_text_is_a_value():
    texts = ["a\nb", "100%", "x & y", "#1", "", " ", "ä", "2020-01-01", "'"]
    kwargs = {f"v{number}": text for number, text in enumerate(texts)}
    written = task_text.as_text({"id": "m:f", "kwargs": kwargs})
    assert task_text.split(written) == ("m:f", kwargs)
    assert "\n" not in written


@pytest.mark.parametrize(
    "text",
    [
        "{tasks: [gym:CarRacing-v3?continuous=false&lap_complete_percent=0.5]}",
        "<tasks: [gym:CarRacing-v3?continuous=False&lap_complete_percent=.5]>",
        "{tasks: ['gym:CarRacing-v3?continuous=no&lap_complete_percent=5e-1']}",
        "{tasks: [{id: gym:CarRacing-v3, kwargs:"
        " {continuous: false, lap_complete_percent: 0.5}}]}",
        "<tasks: [<id: gym:CarRacing-v3?continuous=false, kwargs:"
        " <lap_complete_percent: 0.5>>]>",
    ],
)
def test_all_spellings_are_one_task(text):
    expected = "gym:CarRacing-v3?continuous=false&lap_complete_percent=0.5"
    assert agents.resolve("debug", text).tasks == [expected]


@pytest.mark.parametrize(
    "written,words",
    [
        ("gym:Pendulum-v1?g", "Cannot read 'g' of"),
        ("gym:Pendulum-v1?g=1&g=2", "each argument once"),
        ("gym:Pendulum-v1?g=[1", "'[1' of task"),
        ("gym:Pendulm-v1?g=1", "Did you mean 'gym:Pendulum-v1'?"),
        ("dummy?size=3", "dummy takes no arguments"),
        ({"id": "m:f", "args": {}}, "{id: gym:CarRacing-v3, kwargs:"),
        ({"id": "m:f", "kwargs": [3]}, "{id: gym:CarRacing-v3, kwargs:"),
        ({"id": "m:f", "kwargs": {"a b": 1}}, "Cannot read 'a b=1'"),
        (3, "each a name"),
    ],
)
def test_what_cannot_be_read(written, words):
    with pytest.raises(ConfigError) as caught:
        agents.resolve("debug", overrides={"tasks": [written]})
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("Parameter 'tasks'")


def test_two_spellings_of_a_task_are_twice():
    chosen = ["m:f?a=true", {"id": "m:f", "kwargs": {"a": True}}]
    with pytest.raises(ConfigError, match="names a task twice"):
        agents.resolve("debug", overrides={"tasks": chosen})


def test_nothing_is_known_beforehand():
    task = tasks.get_task("gym_racecar?continuous=false")
    assert task.kwargs == {"continuous": False}
    assert task.action_size is None and task.max_length is None
    _, space = environments.task_spaces(task.name, {"isolate_envs": "none"})
    assert space.shape == (5,)


@pytest.mark.parametrize(
    "task,length",
    [
        ("gym:Pendulum-v1?max_episode_steps=30&g=0.5", 30),
        ("classic_gym:Pendulum-v1?g=2.5", 200),
        ("dmc:cartpole_balance?time_limit=0.2", 20),
        ("cartpole_balance?time_limit=12", 1200),
        ("custom_tasks:all_of_them?image_size=20", 30),
    ],
)
def test_they_reach_the_environment(task, length):
    if task.startswith("classic"):
        pytest.importorskip("gym")
    kind = "state" if "gym" in task else "position"
    kind = "image" if "custom" in task else kind
    env = builders.make_env(task, 1, observations=[kind])
    env.reset(seed=0)
    steps, done = 0, False
    while not done:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        done, steps = terminated or truncated, steps + 1
    assert steps == length
    inner = env.unwrapped
    if hasattr(inner, "g"):
        assert inner.g == 0.5
    env.close()


@pytest.mark.parametrize(
    "task,words",
    [
        ("gym:CarRacing-v3?contnuous=false", "Did you mean 'continuous'? It"),
        ("gym:Ant-v5?healthy_rewrd=3", "Did you mean 'healthy_reward'?"),
        ("gym:Pendulum-v1?speed=3", "argument 'speed'. It takes render_mode"),
        (
            "dmc:manipulation_lift_bric_vision",
            "mean 'lift_brick_vision'? There",
        ),
        ("dmc:hopper_hop?time_limt=3", "Did you mean 'time_limit'?"),
        ("custom_tasks:plain?size=3", "plain: got an unexpected"),
        (
            "custom_tasks:wants_more",
            "missing a required argument: 'map_name'. It",
        ),
    ],
)
def test_arguments_that_there_are_not(task, words):
    with pytest.raises(ConfigError) as caught:
        environments.probe(
            task, {"isolate_envs": "none", "observations": ["state"]}
        )
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"Task {task!r}: ")
