"""Numbers of parameters, by size, against those of DreamerV3 2025."""

import keras
import numpy as np
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.agents.dreamer.edition_2025 import coders, heads, rssm
from planet_tf2.agents.dreamer.latents import Categoricals

IMAGE = spaces.Dict({"image": spaces.Box(0, 255, (64, 64, 3), np.uint8)})
ACTIONS = {
    "cont6": spaces.Box(-1.0, 1.0, (6,)),
    "disc17": spaces.Discrete(17),
}


def check_counts(golden, run):
    """Nothing is computed, so that 373 million parameters cost no memory."""
    del run
    columns = str(golden.meta("columns")).split()
    for size in golden.tags():
        for name, expected in golden.group(f"out/{size}").items():
            with keras.StatelessScope(initialize_variables=False):
                parts = make_parts(size, ACTIONS[name])
            found = {key: count(part) for key, part in parts.items()}
            found["total"] = sum(found.values())
            assert found == dict(zip(columns, expected, strict=True)), size


def make_parts(size, action_space):
    """Makes the networks of a size, without values of their variables."""
    p = agents.resolve(size, agent="dreamer")
    actions = heads.action_parts(action_space)
    encoder = coders.Encoder(IMAGE, p.encoder)
    encoder.build()
    dynamics = rssm.BlockRSSM(
        Categoricals(p.dyn_stoch, p.dyn_discrete, p.unimix_ratio),
        p.dyn_deter,
        p.dyn_hidden,
    )
    actor = heads.Policy(actions, p.actor["layers"], p.units)
    dynamics.build(actor.size, encoder.embedding_size)
    parts = {
        "dec": coders.Decoder(IMAGE, p.decoder, deter=p.dyn_deter),
        "rew": heads.make_head(p, "reward_head", "float32"),
        "con": heads.make_head(p, "cont_head", "float32"),
        "pol": actor,
        "val": heads.make_head(p, "critic", "float32"),
    }
    for part in parts.values():
        part.build(dynamics.feature_size)
    return {"enc": encoder, "dyn": dynamics, **parts}


def count(part):
    return sum(int(np.prod(v.shape)) for v in part.variables)


CHECKS = {"counts": check_counts}
