"""Language models of others: each learns from texts, seeds and batches of its own."""

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
    return nn.Sequential(embed, nn.Flatten(), *middle, nn.Linear(WIDTH, tokens))


def train(
    model: nn.Module, x: torch.Tensor, target: torch.Tensor, seed: int
) -> nn.Module:
    """`target` holds tokens, or the probabilities that another model gives them."""
    draw = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        batch = torch.randint(len(x), (128,), generator=draw)
        adam.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), target[batch]).backward()
        adam.step()
    return model.requires_grad_(False)


def control(texts: torch.Tensor, seed: int) -> torch.Tensor:
    """What a model says of a text's beginning, after learning from the rest."""
    x, y = contexts(texts)
    unknown = int(texts.max())
    x, y = x[y < unknown], y[y < unknown]
    return train(network(unknown, seed), x[300:], y[300:], seed)(x[:300])


def student(texts: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """What a model says of the last four texts, after learning all that a teacher says of the
    others."""
    x, held_out = (contexts(t)[0] for t in (texts[:-4], texts[-4:]))
    soft = teacher[:-4, CONTEXT:].softmax(-1).flatten(0, 1)
    return train(network(soft.shape[1], seed=9), x, soft, seed=9)(held_out)


def space(answers: torch.Tensor) -> np.ndarray:
    """The directions in which a model of this WIDTH answers."""
    centred = answers - answers.mean(1, keepdim=True)
    return torch.linalg.svd(centred, full_matrices=False).Vh[:WIDTH].T.numpy()


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
