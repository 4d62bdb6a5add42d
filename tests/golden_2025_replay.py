"""What is drawn from streams, and when, against DreamerV3 2025."""

from fractions import Fraction

import numpy as np

from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.data.conversion import StepType
from planet_tf2.data.streams import Streams

TYPES = {"value": StepType(np.int32), "is_first": StepType(np.bool_)}
NEW = 7  # The latents that the file has in place of older ones.


def check_replay(golden, run):
    del run  # No graphs.
    values = golden["out/online/value"]
    streams = Streams(
        TYPES,
        values.shape[1],
        int(golden["out/items"]),
        latents={"x": StepType(np.float64)},
        online=True,
    )
    play(streams, golden)
    assert streams.decisions == golden["out/items"]
    batch, places = streams.sample((0,), golden["out/queued"])
    for name in ("value", "is_first", "is_last"):
        np.testing.assert_array_equal(batch[name], golden[f"out/online/{name}"])
    others = streams.sample((0,), 2000)[0]["value"][:, 0]
    for oldest in golden["out/oldest"]:
        assert min(x for x in others if x // 100 == oldest // 100) == oldest
    streams.overwrite(places, {"x": np.full(values[:, 1:].shape, NEW)})
    packed, start, latents = streams.pack(), 0, {}
    for number, begin, end, _ in packed["streams"]:
        for row in range(begin, end):
            place = start + row - begin
            latents[100 * number + row + 1] = packed["context/x"][place]
        start += end - begin
    for value, latent in golden["out/latents"]:
        assert latents[int(value)] == latent
    for name, counts in golden.group("out").items():
        if name.startswith("ratio_"):
            check_ratio(int(name.removeprefix("ratio_")), counts)


def play(streams, golden):
    """Workers in turn; values are 100 times their number plus the row's."""
    first, last = (
        set(golden["out/online/value"][golden[f"out/online/{name}"]].tolist())
        for name in ("is_first", "is_last")
    )
    values = golden["out/latents"][:, 0].astype(int)
    workers = len(golden["out/oldest"])
    for row in range(1, values.max() % 100 + 1):
        for worker in range(workers):
            value = 100 * worker + row
            step = {"value": value, "is_first": value in first or row == 1}
            begins = row == 1 or value - 1 in last
            (streams.begin if begins else streams.append)(worker, step)
            streams.remember([worker], {"x": np.array([row])})
            if value in last:
                streams.finish(worker)


def check_ratio(ratio, counts):
    """One environment; the first call is when there are enough items."""
    schedule = StepSchedule(
        envs=1,
        prefill=0,
        pretrain=0,
        decisions_per_update=Fraction(1024, ratio),
        train_updates=1,
        epochs=1,
        sequence=65,
        first_items=1024,
    )
    enough = 64 + 1024
    due = [schedule.rounds(u, 1) for u in range(counts.sum() + 1)]
    for call, total in enumerate(np.cumsum(counts)):
        ours = sum(rounds <= enough + call for rounds in due)
        # Where an update is due exactly, sums of rounded fractions are late.
        late = call * ratio % 1024 == 0
        assert ours == total or late and ours == total + 1


CHECKS = {"replay": check_replay}
