"""How far a changed language model is from the original, on the same texts."""

from pydoc_data.topics import topics
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn


def excerpts(tokenizer: Any, names: str, start: int, end: int) -> Tensor:
    """Of Python's manual, which is installed with it: [text, token]."""
    return torch.tensor(
        [tokenizer(topics[n]).input_ids[start:end] for n in names.split()]
    )


class Judge:
    """Called after a change, it compares the model with the original on `texts`."""

    def __init__(self, model: nn.Module, texts: Tensor):
        self.model, self.texts = model, texts
        self.original = self.log_p()
        self.rows = {"original": self.compared(self.original)}

    def log_p(self, **options: Any) -> Tensor:
        with torch.inference_mode():
            return self.model(self.texts, **options).logits[:, :-1].log_softmax(-1)

    # --8<-- [start:measure]
    def compared(self, log_p: Tensor) -> dict[str, Tensor]:
        nats = -log_p.gather(2, self.texts[:, 1:, None]).squeeze(2)
        divergence = (self.original.exp() * (self.original - log_p)).sum(2)
        same = (log_p.argmax(2) == self.original.argmax(2)).float()
        columns = nats.mean(1).exp(), divergence.mean(1), same.mean(1)
        return dict(zip(("perplexity", "KL [nats]", "same top token"), columns))

    # --8<-- [end:measure]

    def __call__(self, name: str, **options: Any) -> Tensor:
        self.rows[name] = self.compared(self.log_p(**options))
        return self.rows[name]["KL [nats]"]

    def table(self, names: list[str]) -> pd.DataFrame:
        """Means over the texts."""
        return pd.DataFrame(
            {n: {k: v.mean().item() for k, v in self.rows[n].items()} for n in names}
        ).T
