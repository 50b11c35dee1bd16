"""A language of 32 tokens whose last two tokens set the odds of the next."""

import torch
from torch.nn import functional as F

TOKENS, SEEDS = 32, 4
torch.manual_seed(5)
first, second = 1.2 * torch.randn(2 * TOKENS, 24), 1.2 * torch.randn(24, TOKENS)


def text(n: int) -> tuple[tuple[torch.Tensor, torch.Tensor], float]:
    """Contexts and next tokens, and the mean entropy of the odds in nats."""
    context = torch.randint(TOKENS, (SEEDS, n, 2))
    x = F.one_hot(context, TOKENS).flatten(2).float()
    odds = (torch.relu(x @ first) @ second).softmax(2)
    token = torch.multinomial(odds.flatten(0, 1), 1).view(SEEDS, n)
    return (x, token), torch.special.entr(odds).sum(2).mean().item()
