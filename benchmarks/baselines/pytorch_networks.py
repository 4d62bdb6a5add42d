"""The networks of DreamerV3 in PyTorch, see `pytorch_dreamer`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

State = dict[str, torch.Tensor]
Params = Mapping[str, Any]

BUCKETS = torch.linspace(-20, 20, 255)


def symlog(x: torch.Tensor) -> torch.Tensor:
    return torch.sign(x) * torch.log1p(torch.abs(x))


def symexp(x: torch.Tensor) -> torch.Tensor:
    return torch.sign(x) * torch.expm1(torch.abs(x))


class MLP(nn.Sequential):
    """Hidden layers, and a linear one if `outputs` are wanted."""

    def __init__(self, size: int, layers: int, units: int, outputs: int = 0):
        parts: list[nn.Module] = []
        for _ in range(layers):
            linear = nn.Linear(size, units, bias=False)
            parts += [linear, nn.LayerNorm(units, eps=1e-3), nn.SiLU()]
            size = units
        if outputs:
            parts.append(nn.Linear(size, outputs))
        super().__init__(*parts)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization of the channels of `[N, C, H, W]`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ImageEncoder(nn.Sequential):
    """Images `[N, 3, 64, 64]` to embeddings `[N, 128 * depth]`."""

    def __init__(self, depth: int):
        parts, channels = [], 3
        for filters in (depth, 2 * depth, 4 * depth, 8 * depth):
            conv = nn.Conv2d(channels, filters, 4, 2, 1, bias=False)
            parts += [conv, ChannelNorm(filters, eps=1e-3), nn.SiLU()]
            channels = filters
        super().__init__(*parts, nn.Flatten())


class ImageDecoder(nn.Sequential):
    """Features `[N, F]` to images `[N, 3, 64, 64]`, less 0.5."""

    def __init__(self, size: int, depth: int):
        channels = 8 * depth
        first = nn.Linear(size, 16 * channels)
        parts = [first, nn.Unflatten(1, (channels, 4, 4))]
        for filters in (4 * depth, 2 * depth, depth):
            conv = nn.ConvTranspose2d(channels, filters, 4, 2, 1, bias=False)
            parts += [conv, ChannelNorm(filters, eps=1e-3), nn.SiLU()]
            channels = filters
        super().__init__(*parts, nn.ConvTranspose2d(channels, 3, 4, 2, 1))


class RSSM(nn.Module):
    """The latent dynamics; states are dictionaries of `[N, ...]`."""

    def __init__(self, params: Params, action_size: int, embed_size: int):
        super().__init__()
        deter, hidden = params["dyn_deter"], params["dyn_hidden"]
        self.shape = params["dyn_stoch"], params["dyn_discrete"]
        self.unimix = params["unimix_ratio"]
        size = self.shape[0] * self.shape[1]
        self.feature_size = size + deter
        self.img_in = MLP(size + action_size, 1, hidden)
        self.gru = nn.Linear(hidden + deter, 3 * deter, bias=False)
        self.gru_norm = nn.LayerNorm(3 * deter, eps=1e-3)
        self.img_out = MLP(deter, 1, hidden, size)
        self.obs_out = MLP(deter + embed_size, 1, hidden, size)
        self.start = nn.Parameter(torch.zeros(1, deter))

    def initial(self) -> State:
        """Returns the state where an episode begins, `[1, ...]`."""
        deter = torch.tanh(self.start)
        logit = self.img_out(deter).unflatten(-1, self.shape)
        log_probs = self.probs(logit).log()
        mode = functional.one_hot(logit.argmax(-1), self.shape[1])
        stoch = mode + log_probs - log_probs.detach()
        return {"deter": deter, "stoch": stoch, "logit": logit}

    def probs(self, logit: torch.Tensor) -> torch.Tensor:
        mixed = (1 - self.unimix) * torch.softmax(logit, -1)
        return mixed + self.unimix / self.shape[1]

    def img_step(
        self, state: State, action: torch.Tensor, sample: bool = True
    ) -> State:
        """Predicts the next state; its `stoch` only if it is sampled."""
        inputs = torch.cat([state["stoch"].flatten(1), action], -1)
        parts = torch.cat([self.img_in(inputs), state["deter"]], -1)
        parts = self.gru_norm(self.gru(parts))
        reset, candidate, update = parts.chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        update = torch.sigmoid(update - 1)
        deter = update * candidate + (1 - update) * state["deter"]
        return self._state(deter, self.img_out(deter), sample)

    def obs_step(
        self,
        state: State,
        action: torch.Tensor,
        embed: torch.Tensor,
        is_first: torch.Tensor,
        start: State,
    ) -> tuple[State, State]:
        first = is_first[:, None]
        state = {
            k: torch.where(
                first if x.dim() == 2 else first[..., None], start[k], x
            )
            for k, x in state.items()
        }
        action = torch.where(first, 0.0, action)
        prior = self.img_step(state, action, sample=False)
        deter = prior["deter"]
        logit = self.obs_out(torch.cat([deter, embed], -1))
        return self._state(deter, logit), prior

    def features(self, state: State) -> torch.Tensor:
        return torch.cat([state["stoch"].flatten(-2), state["deter"]], -1)

    def kl(self, one: State, other: State) -> torch.Tensor:
        one, other = self.probs(one["logit"]), self.probs(other["logit"])
        return (one * (one.log() - other.log())).sum([-2, -1])

    def _state(
        self, deter: torch.Tensor, logit: torch.Tensor, sample: bool = True
    ) -> State:
        logit = logit.unflatten(-1, self.shape)
        state = {"deter": deter, "logit": logit}
        if sample:
            probs = self.probs(logit)
            drawn = torch.multinomial(probs.detach().flatten(0, 1), 1)
            drawn = functional.one_hot(
                drawn.view(probs.shape[:-1]), self.shape[1]
            )
            state["stoch"] = drawn + probs - probs.detach()
        return state


def bound(action: torch.Tensor) -> torch.Tensor:
    return action / action.detach().abs().clamp(min=1)


def two_hot_mean(logits: torch.Tensor) -> torch.Tensor:
    return symexp((torch.softmax(logits, -1) * BUCKETS).sum(-1))


def two_hot_loss(logits: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    place = symlog(value).clamp(-20, 20)[..., None]
    step = BUCKETS[1] - BUCKETS[0]
    target = (1 - (place - BUCKETS).abs() / step).clamp(min=0)
    return -(target * torch.log_softmax(logits, -1)).sum(-1)
