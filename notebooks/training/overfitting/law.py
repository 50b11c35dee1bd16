"""The data-constrained scaling law of Muennighoff and others (2023), constants as published."""

import numpy as np

A, B = np.exp([6.255414, 7.3049974])
ALPHA = BETA = 0.3526596
R_DATA, R_SIZE = 15.387756, 5.309743


def worth(unique, used, half_life):
    """What `used` is worth, in unique units: each repetition adds less."""
    repeats = used / unique - 1
    return unique + unique * half_life * (1 - np.exp(-repeats / half_life))


def excess(parameters, tokens, unique):
    """Nats a token above what no model can learn; parameters and tokens in billions."""
    # The size that is optimal for the unique tokens; what is larger counts for less as well.
    optimal = unique * (ALPHA * A / (BETA * B)) ** (2 / (ALPHA + BETA))
    size = worth(np.minimum(parameters, optimal), parameters, R_SIZE)
    data = worth(unique, tokens, R_DATA)
    return A / (1e9 * size) ** ALPHA + B / (1e9 * data) ** BETA
