"""Sweeps: what is searched, and going on with what the folders know."""

import importlib
import json
import pathlib

import pytest

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.engines import space as spaces
from planet_tf2.engines.sweep import Sweep
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.experiment.status import Overview

SPACE = """
main_learning_rate: {loguniform: [1e-4, 1e-2]}
planner_horizon: {integer: [3, 5]}
free_nats: {uniform: [0, 3]}
batch_shape: {choice: [[5, 10], [6, 10]]}
seed: {grid: [4, 5]}
planner_amount: {grid: [6, 7, 8]}
"""
TOLD = {
    "agent": "planet",
    "config": "debug",
    "metric": "return",
    "mode": "max",
    "params": "{tasks: [dummy]}",
    "ping_every": 30,
    "scheduler": "asha",
    "search": "random",
    "seed": 0,
}


def read(text):
    return spaces.read_space(text, lambda name, value: None)


def test_draws_lie_in_the_space_and_come_again():
    space = read(SPACE)
    drawn = [spaces.draw(space, 1, number) for number in range(1, 40)]
    assert drawn == [spaces.draw(space, 1, n) for n in range(1, 40)]
    assert drawn != [spaces.draw(space, 2, n) for n in range(1, 40)]
    for params in drawn:
        assert 1e-4 <= params["main_learning_rate"] <= 1e-2
        assert 0 <= params["free_nats"] <= 3
    assert {params["planner_horizon"] for params in drawn} == {3, 4, 5}
    assert min(params["main_learning_rate"] for params in drawn) < 5e-4
    assert len({tuple(params["batch_shape"]) for params in drawn}) == 2


def test_grid_is_gone_through():
    space = read(SPACE)
    assert spaces.grid_size(space) == 6
    pairs = [
        tuple(spaces.of_grid(space, number).values()) for number in range(1, 8)
    ]
    assert len(set(pairs[:6])) == 6 and pairs[6] == pairs[0]


def test_values_are_kept_within_their_range():
    space = read(SPACE)
    assert space["planner_horizon"].clip(7.2) == 5
    assert space["main_learning_rate"].clip(1.0) == 1e-2
    assert space["batch_shape"].clip([7, 7]) == [7, 7]


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "must be a mapping"),
        ("{a: b: c}", "as YAML"),
        ("a: 3", "a: write one of"),
        ("a: {choice: 3}", "needs a list"),
        ("a: {chioce: [3]}", "Did you mean 'choice'"),
        ("a: {uniform: [3, 2]}", "the smaller one first"),
        ("a: {uniform: [1, nan]}", "the smaller one first"),
        ("a: {loguniform: [0, 2]}", "positive"),
        ("a: {integer: [0.5, 2]}", "two numbers"),
    ],
)
def test_mistakes_in_a_space(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_every_mistake_has_a_line():
    def check(name, value):
        raise ConfigError(f"{name} cannot be {value}.")

    with pytest.raises(ValueError) as caught:
        spaces.read_space("{a: {choice: [1]}, b: 3, c: {grid: [2]}}", check)
    lines = str(caught.value).split("\n")
    assert [line.split()[0] for line in lines] == ["a", "b:", "c"]


@pytest.fixture(name="sweep")
def _sweep(tmp_path):
    sweep = Sweep(tmp_path)
    space = read(SPACE).items()
    told = {n: [e.kind, list(e.values)] for n, e in space}
    with sweep.driving({**TOLD, "space": told}):
        yield sweep


def lines(trial, *records):
    trial.run.create()
    with open(trial.run.metrics, "a") as file:
        for phase, step, value in records:
            record = {"phase": phase, "step": step, "elapsed_seconds": 0.0}
            if phase == "test":
                record |= {
                    "split": "test",
                    "task": "dummy",
                    "episode": 1,
                    "env_step": 0,
                    "return": value,
                }
            file.write(json.dumps(record) + "\n")


def test_trials_stay_what_they_were(sweep):
    params = spaces.draw(sweep.space, 0, 1)
    trial = sweep.add(1, params)
    again = sweep.add(1, {**params, "free_nats": 2.0})
    assert again.params == trial.params == params
    assert [t.path.name for t in sweep.trials()] == ["trial_0001"]
    resolved = sweep.resolve(trial.params)
    assert resolved.free_nats == params["free_nats"]
    assert resolved.tasks == ["dummy"]


def test_only_one_drives_and_with_the_same_settings(sweep):
    told = sweep.settings
    other = Sweep(sweep.path)
    with pytest.raises(ConfigError, match="at work"):
        with other.driving(told):
            pass
    (sweep.path / "tune.lock").unlink()  # As if that one had ended.
    with pytest.raises(ConfigError, match="scheduler: 'asha' -> 'pbt'"):
        with other.driving({**told, "scheduler": "pbt"}):
            pass


def test_results_are_those_of_whole_test_phases(sweep):
    trial = sweep.add(1, spaces.draw(sweep.space, 0, 1))
    assert trial.results() == []
    lines(trial, ("train", 10, 0), ("test", 20, 1.0), ("test", 20, 2.0))
    assert trial.results() == []  # There may be a third one.
    lines(trial, ("train", 30, 0), ("test", 40, 5.0))
    assert trial.results() == [(20, 1.5)]
    trial.run.done.write_text("{}")
    assert trial.results() == [(20, 1.5), (40, 5.0)]


def test_stopped_trials_are_left_alone_and_shown(sweep):
    trial = sweep.add(1, spaces.draw(sweep.space, 0, 1))
    sweep.add(2, spaces.draw(sweep.space, 0, 2))
    trial.stop_early(20, "asha")
    said = []
    experiment = Experiment(trial.path, report=said.append)
    assert list(experiment) == []
    experiment.raise_if_left()
    assert "ended early" in said[0]
    states = {run.name: run.state for run in Overview(sweep.path).look()}
    assert states == {
        "trial_0001/00001": "stopped",
        "trial_0002/00001": "pending",
    }


def test_asha_goes_on_with_what_it_has_seen(sweep):
    pytest.importorskip("ray")
    module = importlib.import_module("planet_tf2.engines.schedulers")
    trials = [sweep.add(n, spaces.draw(sweep.space, 0, n)) for n in (1, 2, 3)]
    lines(trials[0], ("test", 20, 9.0), ("test", 40, 9.0))
    trials[0].run.done.write_text("{}")
    lines(trials[1], ("test", 20, 1.0), ("train", 30, 0))
    scheduler = module.make_scheduler(sweep, 20, 100, trials[:1])

    class Named(str):
        @property
        def trial_id(self):
            return f"id of {self}"

    second, third = Named("trial_0002"), Named("trial_0003")
    for trial in (second, third):
        scheduler.on_trial_add(None, trial)

    def tell(trial, step, value):
        result = {"step": step, "value": value}
        return scheduler.on_trial_result(None, trial, result)

    # Bad as it is: an earlier driver has let it go on.
    assert tell(second, 20, 1.0) == "CONTINUE"
    assert not trials[1].state
    assert tell(third, 20, 2.0) == "STOP"
    assert trials[2].state == "stopped"


def test_optuna_goes_on_with_what_there_is(tmp_path):
    pytest.importorskip("ray")
    module = importlib.import_module("planet_tf2.engines.optuna_search")
    sweep = Sweep(tmp_path)
    space = {"free_nats": ["uniform", [0.0, 3.0]], "seed": ["grid", [1, 2]]}
    with sweep.driving({**TOLD, "search": "optuna", "space": space}):
        over = sweep.add(1, {"free_nats": 0.5})
        lines(over, ("test", 20, 9.0))
        over.run.done.write_text("{}")
        waiting = sweep.add(2, {"free_nats": 2.5})
        search = module.make_optuna(
            sweep, "value", lambda t: {"name": t.path.name}, [waiting], [over]
        )
        names = [search.suggest(f"id{n}")["name"] for n in range(3)]
        assert names == ["trial_0002", "trial_0003", "trial_0004"]
        found = [trial.params for trial in sweep.trials()]
        assert [params["seed"] for params in found] == [1, 2, 1, 2]
        assert found[1]["free_nats"] == 2.5
        assert len({params["free_nats"] for params in found}) == 4


def test_recipes_are_well_formed():
    yaml = importlib.import_module("yaml")
    folder = pathlib.Path(__file__).parents[1] / "docs" / "recipes"
    (cluster,) = yaml.safe_load_all((folder / "kuberay.yaml").read_text())
    assert cluster["kind"] == "RayJob"
