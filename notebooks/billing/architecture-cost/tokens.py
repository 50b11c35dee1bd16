"""Dollars a token on owned devices, and which of the unsure inputs moves them."""

import numpy as np
import owning
import pandas as pd
from devices import DEVICES
from published import MODELS
from roofline import Work, batch_limit, step

CHAT = Work(prompt=1000, output=300, seconds_a_token=0.05)
COUNT = 2  # H100 a replica


# --8<-- [start:token]
def token_costs(v: dict) -> tuple[np.ndarray, np.ndarray]:
    """Dollars per million tokens in and out of Llama 70B on two owned H100."""
    replica = MODELS["70B"], DEVICES["H100"], COUNT
    compute = np.atleast_1d(v["compute attained"])
    memory = np.atleast_1d(v["bandwidth attained"])

    tried = np.geomspace(1, batch_limit(*replica, CHAT), 120)
    needs, _ = step(*replica, tried, CHAT, compute[:, None], memory[:, None])
    limit = tried[(needs <= CHAT.seconds_a_token).sum(axis=1) - 1]
    batch = np.maximum(1, limit * v["batch, share of limit"])

    seconds, prompts = step(*replica, batch, CHAT, compute, memory)
    paid = COUNT * sum(owning.hour(v).values()) / v["load, share of hours"]
    joining = batch * CHAT.prompt / CHAT.output
    per_million = 1e6 * paid / 3600
    return per_million * prompts / joining, per_million * (seconds - prompts) / batch


# --8<-- [end:token]


def swings(drawn: dict[str, np.ndarray]) -> tuple[float, pd.DataFrame]:
    """An output token's cost at the medians, and with one input at its 5% and at its 95% point."""
    medians = {name: np.median(values) for name, values in drawn.items()}
    ends = {
        name: sorted(
            float(token_costs(medians | {name: end})[1][0])
            for end in np.percentile(values, [5, 95])
        )
        for name, values in drawn.items()
    }
    table = pd.DataFrame(ends, index=["low", "high"]).T
    table["swing"] = table["high"] - table["low"]
    return float(token_costs(medians)[1][0]), table.sort_values("swing")
