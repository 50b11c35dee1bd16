"""How far a changed language model is from the original, on the same texts."""

from typing import Any

import torch
from torch import Tensor, nn


class Judge:
    """Called after a change, it measures the model on `texts` [text, token]."""

    def __init__(self, model: nn.Module, texts: Tensor):
        self.model, self.texts = model, texts
        self.original = self.log_p()
        self.by_text: dict[str, Tensor] = {}  # divergence of each text

    def log_p(self, **options: Any) -> Tensor:
        with torch.inference_mode():
            return self.model(self.texts, **options).logits[:, :-1].log_softmax(-1)

    # --8<-- [start:measure]
    def __call__(self, name: str, **options: Any) -> dict[str, float]:
        log_p = self.log_p(**options)
        nats = -log_p.gather(2, self.texts[:, 1:, None])
        divergence = (self.original.exp() * (self.original - log_p)).sum(2)
        same = log_p.argmax(2) == self.original.argmax(2)
        self.by_text[name] = divergence.mean(1)
        return {
            "perplexity": nats.mean().exp().item(),
            "KL [nats]": divergence.mean().item(),
            "same top token": same.float().mean().item(),
        }

    # --8<-- [end:measure]
