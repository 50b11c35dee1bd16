"""Language models of others: each learns from texts of its own."""

import importlib
import inspect

import numpy as np
import torch
from torch import nn

CONTEXT, WIDTH = 4, 96
OPENINGS = (
    "Cats are curious animals, and mine sleeps",
    "Rain in the mountains begins without any warning",
    "Trains changed the towns that they reached",
    "Bread needs flour, water, salt and patience",
    "Music was never taught in our school",
)


def docstrings(package: str) -> list[str]:
    """What the public names of a package, and the methods of its classes, say of themselves."""
    module = importlib.import_module(package)
    things = [getattr(module, name) for name in dir(module) if name[0] != "_"]
    methods = [m for c in things if inspect.isclass(c) for m in vars(c).values()]
    texts = (getattr(t, "__doc__", None) for t in (*things, *methods))
    found = {t for t in texts if isinstance(t, str) and len(t.split()) >= 30}
    return sorted(found)[:60]


def contexts(texts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of tokens, and the token that follows each."""
    windows = texts.unfold(1, CONTEXT + 1, 1).flatten(0, 1)
    return windows[:, :-1], windows[:, -1]


def network(tokens: int, seed: int) -> nn.Sequential:
    """Reads and predicts `tokens` tokens; all others are one more at its input."""
    torch.manual_seed(seed)
    embed = nn.Embedding(tokens + 1, WIDTH)
    middle = nn.Linear(CONTEXT * WIDTH, WIDTH), nn.Tanh()
    head = nn.Linear(WIDTH, tokens, bias=False)
    return nn.Sequential(embed, nn.Flatten(), *middle, head)


def train(x: torch.Tensor, target: torch.Tensor, tokens: int, seed: int) -> nn.Module:
    """`target` holds tokens, or the probabilities that another model gives them."""
    model, draw = network(tokens, seed), torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        batch = torch.randint(len(x), (128,), generator=draw)
        adam.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), target[batch]).backward()
        adam.step()
    return model.requires_grad_(False)


def control(texts: torch.Tensor, tokens: int, seed: int) -> nn.Module:
    """A model that has learnt from texts of its own."""
    x, y = contexts(texts)
    return train(x[y < tokens], y[y < tokens], tokens, seed)


def student(texts: torch.Tensor, teacher: torch.Tensor, seed: int) -> nn.Module:
    """A model that has learnt all that a teacher says of the texts."""
    return train(texts, teacher.softmax(-1), teacher.shape[1], seed)


def space(head: torch.Tensor) -> np.ndarray:
    """The directions in which a model with this output layer can answer."""
    return np.linalg.qr((head - head.mean(0)).numpy())[0]


def tune(
    head: torch.Tensor, states: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """An output layer trained further, on the targets that it knows."""
    known = target < len(head)
    states, target = states[known], target[known]
    weight = head.clone().requires_grad_()
    adam = torch.optim.Adam([weight], lr=1e-3)
    for _ in range(60):
        adam.zero_grad()
        nn.functional.cross_entropy(states @ weight.T, target).backward()
        adam.step()
    return weight.detach()
