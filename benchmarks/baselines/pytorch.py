"""PlaNet in PyTorch, as its ports write it: modules and loops over time.

The same sizes, losses and planner as `planet_tf2`. The one difference is the
recurrent cell: ports use `torch.nn.GRUCell`, which applies the reset gate after
the recurrent product and has a second bias.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

State = dict[str, torch.Tensor]


class Encoder(nn.Module):
    """Images `[N, 3, 64, 64]` to embeddings `[N, 32 * depth]`."""

    def __init__(self, depth: int):
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, depth, 4, 2),
                nn.Conv2d(depth, 2 * depth, 4, 2),
                nn.Conv2d(2 * depth, 4 * depth, 4, 2),
                nn.Conv2d(4 * depth, 8 * depth, 4, 2),
            ]
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        for conv in self.convs:
            image = torch.relu(conv(image))
        return image.flatten(1)


class Decoder(nn.Module):
    """Features `[N, F]` to mean images `[N, 3, 64, 64]`."""

    def __init__(self, feature_size: int, depth: int):
        super().__init__()
        self.dense = nn.Linear(feature_size, 32 * depth)
        self.convs = nn.ModuleList(
            [
                nn.ConvTranspose2d(32 * depth, 4 * depth, 5, 2),
                nn.ConvTranspose2d(4 * depth, 2 * depth, 5, 2),
                nn.ConvTranspose2d(2 * depth, depth, 6, 2),
                nn.ConvTranspose2d(depth, 3, 6, 2),
            ]
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        *hidden, last = self.convs
        image = self.dense(features)[:, :, None, None]
        for conv in hidden:
            image = torch.relu(conv(image))
        return last(image)


class RSSM(nn.Module):
    """The latent dynamics; states are dictionaries of `[N, ...]`."""

    def __init__(self, action_size: int, obs_size: int):
        super().__init__()
        self.embed = nn.Linear(30 + action_size, 200)
        self.gru = nn.GRUCell(200, 200)
        self.prior = nn.ModuleList(
            [nn.Linear(200, 200), nn.Linear(200, 30), nn.Linear(200, 30)]
        )
        self.posterior = nn.ModuleList(
            [
                nn.Linear(200 + obs_size, 200),
                nn.Linear(200, 30),
                nn.Linear(200, 30),
            ]
        )

    def transition(self, prev: State, action: torch.Tensor) -> State:
        hidden = torch.cat([prev["sample"], action], -1)
        belief = self.gru(torch.relu(self.embed(hidden)), prev["belief"])
        return {**_sample(self.prior, belief), "belief": belief}

    def observe(
        self, prev: State, action: torch.Tensor, obs: torch.Tensor
    ) -> tuple[State, State]:
        prior = self.transition(prev, action)
        hidden = torch.cat([prior["belief"], obs], -1)
        posterior = _sample(self.posterior, hidden)
        return prior, {**posterior, "belief": prior["belief"]}


class PyTorch(nn.Module):
    """World model, training step and planner with the default sizes."""

    def __init__(self, action_size: int, depth: int = 32):
        super().__init__()
        self._action_size = action_size
        self.encoder = Encoder(depth)
        self.rssm = RSSM(action_size, 32 * depth)
        self.decoder = Decoder(230, depth)
        self.reward = nn.Sequential(
            nn.Linear(230, 300),
            nn.ReLU(),
            nn.Linear(300, 300),
            nn.ReLU(),
            nn.Linear(300, 300),
            nn.ReLU(),
            nn.Linear(300, 1),
        )
        self._optimizer = torch.optim.Adam(self.parameters(), 1e-3, eps=1e-4)

    def train_step(self, batch: dict[str, torch.Tensor]) -> float:
        """Takes a gradient step.

        Args:
          batch: `image` uint8 `[T, B, 3, 64, 64]`, `action` `[T, B, A]`,
            `reward` `[T, B]`: ports keep images with the channels first and
            sequences with the time first.
        """
        total = self.loss(batch)
        self._optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1000.0)
        self._optimizer.step()
        return float(total.detach())

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns the scaled sum of the losses."""
        length, size = batch["reward"].shape
        image = torch.floor(batch["image"].float() / 8)
        image = (image + torch.rand_like(image)) / 32 - 0.5
        embedded = self.encoder(image.flatten(0, 1)).view(length, size, -1)
        state = {
            name: torch.zeros(size, entries)
            for name, entries in (("sample", 30), ("belief", 200))
        }
        priors, posteriors = [], []
        for action, obs in zip(batch["action"], embedded, strict=True):
            prior, state = self.rssm.observe(state, action, obs)
            priors.append(prior)
            posteriors.append(state)
        prior, posterior = _stack(priors), _stack(posteriors)
        features = torch.cat([posterior["sample"], posterior["belief"]], -1)
        features = features.flatten(0, 1)
        mean = self.decoder(features)
        squared = functional.mse_loss(
            mean, image.flatten(0, 1), reduction="sum"
        )
        image_loss = 0.5 * squared / (length * size)
        reward = self.reward(features).view(length, size)
        reward_loss = 0.5 * functional.mse_loss(reward, batch["reward"])
        kl = torch.distributions.kl_divergence(
            _dist(posterior), _dist(prior)
        ).sum(-1)
        divergence = torch.clamp(kl - 3.0, min=0.0).mean()
        return divergence + image_loss + 10 * reward_loss

    @torch.no_grad()
    def plan(self, state: State) -> torch.Tensor:
        """Plans `[12, A]` from a state `[1, ...]`, 10 times 1000 candidates."""
        mean = torch.zeros(12, 1, self._action_size)
        stddev = torch.ones_like(mean)
        start = {name: x.expand(1000, -1) for name, x in state.items()}
        for _ in range(10):
            noise = torch.randn(12, 1000, self._action_size)
            actions = (mean + stddev * noise).clamp(-1, 1)
            current, features = start, []
            for action in actions:
                current = self.rssm.transition(current, action)
                features.append(
                    torch.cat([current["sample"], current["belief"]], -1)
                )
            reward = self.reward(torch.stack(features).flatten(0, 1))
            returns = reward.view(12, 1000).sum(0)
            best = actions[:, returns.topk(100).indices]
            mean = best.mean(1, keepdim=True)
            stddev = best.std(1, unbiased=False, keepdim=True)
        return mean[:, 0]


def to_torch(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Lays a batch `[B, T, ...]` out as `PyTorch.train_step` takes it."""
    image = np.transpose(batch["image"], [1, 0, 4, 2, 3])
    arrays = {
        "image": image,
        "action": np.swapaxes(batch["action"], 0, 1),
        "reward": np.swapaxes(batch["reward"], 0, 1),
    }
    return {
        name: torch.from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }


def _sample(layers: nn.ModuleList, hidden: torch.Tensor) -> State:
    hidden_layer, mean_layer, stddev_layer = layers
    hidden = torch.relu(hidden_layer(hidden))
    mean = mean_layer(hidden)
    stddev = functional.softplus(stddev_layer(hidden)) + 0.1
    sample = mean + stddev * torch.randn_like(mean)
    return {"mean": mean, "stddev": stddev, "sample": sample}


def _stack(states: list[State]) -> State:
    return {k: torch.stack([s[k] for s in states]) for k in states[0]}


def _dist(state: State) -> torch.distributions.Normal:
    return torch.distributions.Normal(state["mean"], state["stddev"])
