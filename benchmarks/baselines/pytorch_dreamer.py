"""DreamerV3 in PyTorch, as its users write it: modules and loops over time.

The same networks, losses and optimizers as `planet_tf2`, written from the
equations of docs/dreamer.md. As usual there, actor and critic see imagined
states once to act and to value them, and once more for their own losses.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from baselines.pytorch_networks import (
    MLP,
    RSSM,
    ImageDecoder,
    ImageEncoder,
    Params,
    State,
    bound,
    symlog,
    two_hot_loss,
    two_hot_mean,
)


class PyTorchDreamer(nn.Module):
    """World model, actor and critic, and how they learn and act.

    Args:
      params: parameters of `planet_tf2`.
      vectors: sizes of what is observed beside images, by name.
      action_size: A.
    """

    def __init__(
        self, params: Params, vectors: Mapping[str, int], action_size: int
    ):
        super().__init__()
        self._params, units = params, params["units"]
        coder, heads = params["encoder"], ("reward_head", "cont_head")
        self._vectors = dict(vectors)
        hidden = coder["mlp_layers"], coder["mlp_units"]
        if vectors:
            self.encoder = MLP(sum(vectors.values()), *hidden)
            embed_size = coder["mlp_units"]
        else:
            self.encoder = ImageEncoder(coder["cnn_depth"])
            embed_size = 128 * coder["cnn_depth"]
        self.rssm = RSSM(params, action_size, embed_size)
        size = self.rssm.feature_size
        if vectors:
            self.decoder: nn.Module = MLP(size, *hidden, sum(vectors.values()))
        else:
            self.decoder = ImageDecoder(size, coder["cnn_depth"])
        reward, cont = (params[name]["layers"] for name in heads)
        self.reward = MLP(size, reward, units, 255)
        self.cont = MLP(size, cont, units, 1)
        self.actor = MLP(size, params["actor"]["layers"], units)
        self.actor_out = nn.Linear(units, 2 * action_size)
        layers = params["critic"]["layers"]
        self.critic = MLP(size, layers, units, 255)
        self.slow_critic = MLP(size, layers, units, 255)
        self.slow_critic.load_state_dict(self.critic.state_dict())
        for head in (self.reward, self.critic, self.slow_critic):
            nn.init.zeros_(head[-1].weight)
        self.groups = {
            "model": [self.encoder, self.rssm, self.decoder]
            + [self.reward, self.cont],
            "actor": [self.actor, self.actor_out],
            "critic": [self.critic],
        }
        self._optimizers = {
            "model": self._adam("model", params["model_lr"], params["opt_eps"])
        }
        for name in ("actor", "critic"):
            settings = params[name]["lr"], params[name]["eps"]
            self._optimizers[name] = self._adam(name, *settings)
        self.register_buffer("ema", torch.zeros(2))

    def variables(self, name: str) -> list[nn.Parameter]:
        return [p for part in self.groups[name] for p in part.parameters()]

    def train_model(self, batch: dict[str, torch.Tensor]) -> State:
        """Updates the world model by a batch `[B, T, ...]`.

        Returns:
          The posterior states as constants, `[B * T, ...]`.
        """
        params, rssm = self._params, self.rssm
        seen, target = self._prepare(batch)
        size, length = batch["reward"].shape
        embed = self.encoder(seen).unflatten(0, (size, length))
        start = rssm.initial()
        state = {k: x.expand(size, *x.shape[1:]) for k, x in start.items()}
        posteriors, priors = [], []
        for step in range(length):
            state, prior = rssm.obs_step(
                state,
                batch["action"][:, step],
                embed[:, step],
                batch["is_first"][:, step],
                start,
            )
            posteriors.append(state)
            priors.append(prior)
        posterior, prior = (
            {k: torch.stack([s[k] for s in states], 1) for k in states[0]}
            for states in (posteriors, priors)
        )
        still = [
            {k: x.detach() for k, x in s.items()} for s in (posterior, prior)
        ]
        free = params["kl_free"]
        dyn = rssm.kl(still[0], prior).clamp(min=free)
        rep = rssm.kl(posterior, still[1]).clamp(min=free)
        features = rssm.features(posterior).flatten(0, 1)
        error = (self._decode(features) - target).square().flatten(1).sum(-1)
        reward = two_hot_loss(self.reward(features), batch["reward"].flatten())
        cont = functional.binary_cross_entropy_with_logits(
            self.cont(features)[:, 0],
            1 - batch["terminal"].flatten().float(),
            reduction="none",
        )
        kl = params["dyn_scale"] * dyn + params["rep_scale"] * rep
        loss = (error + reward + cont).mean() + kl.mean()
        self._step("model", loss, params["grad_clip"])
        return {k: x.flatten(0, 1) for k, x in still[0].items()}

    def train_behavior(self, start: State) -> float:
        """Updates actor and critic by futures of states `[N, ...]`."""
        params, horizon = self._params, self._params["imag_horizon"]
        self._move_slow_critic()
        self._train_only("actor")
        state, features, actions = start, [], []
        for step in range(horizon):
            features.append(self.rssm.features(state))
            actions.append(self._policy(features[-1].detach()).rsample())
            actions[-1] = bound(actions[-1])
            if step < horizon - 1:
                state = self.rssm.img_step(state, actions[-1])
        feature = torch.stack(features)
        reward = two_hot_mean(self.reward(feature))
        cont = torch.sigmoid(self.cont(feature)[..., 0])
        value = two_hot_mean(self.critic(feature))
        discount = params["discount"] * cont
        mix, last, targets = params["discount_lambda"], value[-1], []
        for k in range(horizon - 1, 0, -1):
            later = (1 - mix) * value[k] + mix * last
            last = reward[k] + discount[k] * later
            targets.insert(0, last)
        target = torch.stack(targets)
        weight = torch.cat([torch.ones_like(discount[:1]), discount[1:-1]], 0)
        weight = torch.cumprod(weight, 0).detach()
        quantiles = torch.tensor([0.05, 0.95])
        moved = torch.quantile(target.detach().flatten(), quantiles)
        self.ema = 0.99 * self.ema + 0.01 * moved
        scale = (self.ema[1] - self.ema[0]).clamp(min=1)
        entropy = self._policy(feature.detach()).entropy().sum(-1)[:-1]
        gain = (target - value[:-1]) / scale
        gain = gain + params["actor"]["entropy"] * entropy
        clip = params["actor"]["grad_clip"]
        self._step("actor", -(weight * gain).mean(), clip)
        self._train_only("critic")
        feature, target = feature[:-1].detach(), target.detach()
        logits = self.critic(feature)
        slow = two_hot_mean(self.slow_critic(feature)).detach()
        loss = two_hot_loss(logits, target) + two_hot_loss(logits, slow)
        loss = (weight * loss).mean()
        self._step("critic", loss, params["critic"]["grad_clip"])
        self._train_only("model", "actor", "critic")
        return float(loss.detach())

    @torch.no_grad()
    def act(
        self,
        state: State,
        action: torch.Tensor,
        observ: dict[str, torch.Tensor],
        is_first: torch.Tensor,
    ) -> tuple[State, torch.Tensor]:
        """Infers the state of environments, and samples what to do in it."""
        embed = self.encoder(self._prepare(observ)[0])
        start = self.rssm.initial()
        state, _ = self.rssm.obs_step(state, action, embed, is_first, start)
        return state, bound(self._policy(self.rssm.features(state)).sample())

    def _prepare(self, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Returns what the encoder sees and what the decoder shall say."""
        if self._vectors:
            joined = torch.cat([batch[name] for name in self._vectors], -1)
            seen = symlog(joined.flatten(0, -2))
            return [seen, seen]
        image = batch["image"].flatten(0, -4).permute(0, 3, 1, 2)
        image = image.float() / 255
        return [image - 0.5, image]

    def _decode(self, features: torch.Tensor) -> torch.Tensor:
        mean = self.decoder(features)
        return mean if self._vectors else mean + 0.5

    def _policy(self, features: torch.Tensor) -> torch.distributions.Normal:
        settings = self._params["actor"]
        low, high = settings["min_std"], settings["max_std"]
        mean, std = self.actor_out(self.actor(features)).chunk(2, -1)
        std = (high - low) * torch.sigmoid(std + 2) + low
        return torch.distributions.Normal(torch.tanh(mean), std)

    def _move_slow_critic(self) -> None:
        fraction = self._params["critic"]["slow_target_fraction"]
        with torch.no_grad():
            for slow, fast in zip(
                self.slow_critic.parameters(),
                self.critic.parameters(),
                strict=True,
            ):
                slow.copy_(fraction * fast + (1 - fraction) * slow)

    def _train_only(self, *names: str) -> None:
        for name in self.groups:
            for variable in self.variables(name):
                variable.requires_grad_(name in names)

    def _adam(self, name: str, rate: float, eps: float) -> torch.optim.Adam:
        return torch.optim.Adam(self.variables(name), rate, eps=eps)

    def _step(self, name: str, loss: torch.Tensor, clip: float) -> None:
        self._optimizers[name].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.variables(name), clip)
        self._optimizers[name].step()
