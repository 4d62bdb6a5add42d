"""Several processes that train one run: who is who, and equal losses."""

import json
import re
import socket

import pytest
import stress_machines

from planet_tf2.tools import cluster
from planet_tf2.train import train

THREE = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


def config(index, kind="worker", **jobs):
    jobs = jobs or {"worker": ["a:1", "b:1"]}
    task = {"type": kind, "index": index}
    return json.dumps({"cluster": jobs, "task": task})


@pytest.mark.parametrize(
    "text, place",
    [
        (None, None),
        ("", None),
        ("{}", None),
        (config(0, worker=["a:1"]), None),
        (config(1), (1, ("a:1", "b:1"))),
        (config(0, "chief", **THREE), (0, ("a:1", "b:1", "c:1"))),
        (config(1, **THREE), (2, ("a:1", "b:1", "c:1"))),
    ],
)
def test_finds_its_place(text, place):
    assert cluster.find_place(text) == (place and cluster.Place(*place))


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not understood: {"),
        ("[]", "not understood"),
        (config(2), "task worker 2, which is not among"),
        (config(None), "task worker None"),
        (config(0, "ps", ps=["a:1"], worker=["b:1"]), "has 'ps'"),
    ],
)
def test_refuses_what_it_cannot_be(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cluster.find_place(text)


SLURM = {
    "SLURM_STEP_NODELIST": "node[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_PROCID": "2",
}


def test_finds_its_place_in_a_step_of_slurm():
    text = cluster.from_slurm(SLURM)
    nodes = "node9:8888", "node9:8889", "node10:8888"
    assert cluster.find_place(text) == cluster.Place(2, nodes)


def test_needs_a_step_of_slurm():
    with pytest.raises(ValueError, match="SLURM_STEP_NUM_TASKS .*srun"):
        cluster.from_slurm({k: v for k, v in SLURM.items() if "NUM" not in k})


@pytest.mark.parametrize("index", [0, 1])
def test_says_who_is_missing(index, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.1)
    monkeypatch.setattr(cluster, "_AGAIN", 0.01)
    ports = stress_machines.free_ports(2)
    addresses = tuple(f"localhost:{port}" for port in ports)
    with pytest.raises(cluster.PeerLost, match=f"{addresses[1 - index]}"):
        cluster.Cluster(cluster.Place(index, addresses), lambda: False)


def test_needs_a_port_that_is_free():
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = f"localhost:{port}", "localhost:1"
        with pytest.raises(ValueError, match=f"listen at localhost:{port}"):
            cluster.Cluster(cluster.Place(0, addresses), lambda: False)


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path):
    params = stress_machines.shared(3)
    pair = stress_machines.start(tmp_path / "pair", 2, params)
    alone = {**params, "micro_batches": 2}
    train(str(tmp_path / "alone"), "debug", json.dumps(alone))
    assert stress_machines.end(pair) == [0, 0]
    assert not stress_machines.compare(tmp_path / "alone", tmp_path / "pair")
