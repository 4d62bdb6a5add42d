"""What can be set of Dreamer's edition, schedule, replay and environments.

Names and defaults are those of dreamerv3-torch, wherever that has the
parameter.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from planet_tf2.agents.dreamer import settings
from planet_tf2.configs.common_parameters import Group
from planet_tf2.configs.kinds import (
    Integer,
    Natural,
    Number,
    Positive,
    Switch,
    integer,
)


class Algorithm(Group):
    """What is learned by."""

    GROUP = "Algorithm"

    edition: Annotated[Literal[2023, 2025], BeforeValidator(integer)] = 2023
    """The algorithm of the first version of the paper, or that of Nature
    (2025), which has other networks, losses, optimizer and replay, and other
    defaults. See docs/dreamer_2025.md."""


class Run(Group):
    """How long, and what is kept."""

    GROUP = "Schedule"

    steps: Positive = 1_000_000
    """Steps of training, of all environments together."""
    eval_every: Positive = 10_000
    """Steps of training between evaluations."""
    eval_episode_num: Natural = 10
    """Episodes of an evaluation. 0 means none."""
    log_every: Positive = 10_000
    """Steps between lines of the log."""
    envs: Positive = 1
    """Environments that are acted in at the same time, each in a process of its
    own."""
    prefill: Positive = 2500
    """Random decisions to start from. In edition 2025 it is the policy that
    acts until `batch_size * batch_length` sequences can be drawn."""
    pretrain: Natural = 100
    """Updates before the agent first acts."""
    train_ratio: Annotated[Number, Field(gt=0)] = 512.0
    """Time steps that are learned from for each decision: there is an update
    per `batch_size * batch_length / train_ratio` decisions."""
    video_pred_log: Switch = True
    """Whether videos of predictions are logged at evaluations."""


class Replay(Group):
    """What batches are made of."""

    GROUP = "Data"

    batch_size: Positive = 16
    """Sequences of a batch."""
    batch_length: Annotated[Positive, Field(ge=2)] = 64
    """Time steps of a sequence. A sequence goes on with the next episode where
    one ends."""
    dataset_size: Positive = 1_000_000
    """Decisions to draw from, the latest ones. Older episodes stay on disk."""
    dataset_bytes: Positive | None = None
    """Memory in bytes for them. Unbounded by default."""
    replay_context: Annotated[Literal[0, 1], BeforeValidator(integer)] = 1
    """Time steps before each sequence whose stored latent state it starts from;
    0 starts from zero."""
    online_queue: Switch = True
    """Whether each stretch of new experience is learned from once before
    others are drawn by chance."""


class Environment(Group):
    """What is special about environments."""

    GROUP = "Tasks"

    action_repeat: Positive | None = 2
    """Simulator steps per decision. None means the usual number of each
    task."""
    image_size: Annotated[
        Literal[32, 64, 96, 128], BeforeValidator(integer)
    ] = 64
    """Side of the images in pixels. 96 is of edition 2025."""
    camera_id: Annotated[Integer, Field(ge=-1)] | None = None
    """Camera that the images are taken with, as the simulator counts them; -1
    is the free camera of MuJoCo. None means the usual one of each task."""
    draw_images: Switch | None = None
    """Whether to draw images. None means that they are drawn where encoder or
    decoder choose `image`. Videos need them."""
    all_observations: Switch = True
    """Store all observations, also those of more than 1,000 numbers, such as
    images of a second camera."""
    time_limit: Positive | None = None
    """Steps after which an episode is cut off. None means the usual number of
    each task."""
    grayscale: Switch = False
    """Whether images of Atari games are grey."""
    atari: settings.Atari = settings.Atari()
    """Settings of Atari games."""
    minecraft: settings.Minecraft = settings.Minecraft()
    """Settings of Minecraft."""
