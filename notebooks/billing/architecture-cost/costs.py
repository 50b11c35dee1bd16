"""Modelled against published speed, and what an hour and a token cost on owned devices."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
from facts import fact
from roofline import Replica
from transformer_costs import transformer

PUBLISHED = tomllib.loads(Path("published.toml").read_text())
ASSUMED = tomllib.loads(Path("assumed.toml").read_text())
USABLE = fact("vllm_defaults.gpu_memory_utilization")
SIZES = {"8B": "llama_3_1_8b", "70B": "llama_3_1_70b", "405B": "llama_3_1_405b"}
MODELS = {size: transformer(name) for size, name in SIZES.items()}
MODELS["Qwen3-235B"] = transformer("qwen3_235b_a22b")
MODELS["DeepSeek-V3"] = transformer("deepseek_v3")
NAMES = ["A100", "H100", "H200", "B200", "H20"]
SHEETS = ["a100_80gb_sxm", "h100_sxm", "h200_sxm", "b200", "h20"]
NAMES += ["MI300X", "TPU v6e", "Ascend 910B", "Ascend 910C"]
SHEETS += ["mi300x", "tpu_v6e", "ascend_910b", "ascend_910c"]
BOUGHT = ["server price [$]", "life [years]", "cost of capital [1/year]"]
DEVICES = {name: fact(sheet) for name, sheet in zip(NAMES, SHEETS)}


def deviations(run: dict, compute, memory) -> np.ndarray:
    """Modelled over published tokens a second, less 1, for each shape of request."""
    sheet, devices = DEVICES[run["device"]], run["devices"]
    replica = Replica(MODELS[run["model"]], sheet, devices, run["value_bytes"])
    shapes, found = run.get("shapes", PUBLISHED["shapes"]), []
    full = [replica.holds(sum(shape), USABLE) for shape in shapes]  # memory full
    for each in zip(run.get("sequences", full), shapes, run["tokens_s"]):
        batch, shape, seen = each
        seconds, _ = replica.step(batch, *shape, compute, memory)
        found.append(batch / seconds / (seen / run.get("replicas", 1)) - 1)
    return np.array(found)


def summary(off: dict[str, np.ndarray]) -> pd.DataFrame:
    ends = {name: [len(r), abs(r).mean(), r.min(), r.max()] for name, r in off.items()}
    columns = ["points", "mean |deviation|", "lowest", "highest"]
    table = pd.DataFrame(ends, index=columns).T.rename_axis("published")
    return table.astype({"points": int})


def rounded(*values: float) -> list[float]:
    return [round(float(value), 2) for value in values]


def peak(device: str) -> float:
    """Dense operations a second in 8 bits."""
    sheet = DEVICES[device]
    return 1e12 * sheet.get("fp8_tflops", sheet.get("int8_tops"))


def fit(run: dict) -> tuple[float, float]:
    """The shares of compute and bandwidth that explain one published column best."""
    shares = np.linspace(0.2, 0.9, 71)
    off = np.abs(np.log1p(deviations(run, shares[:, None], shares))).mean(axis=0)
    row, column = np.unravel_index(off.argmin(), off.shape)
    return float(shares[row]), float(shares[column])


def fastest(sheet: dict, model, attained, limits) -> float:
    """Tokens a second a device in 8 bits, the best of 1 to 8; nan if none fits in time."""
    (seconds, *most), found = limits, [math.nan]
    for replica in (Replica(model, sheet, devices) for devices in (1, 2, 4, 8)):
        if (limit := min([replica.holds(1300, USABLE), *most])) >= 1:
            batch = np.geomspace(1, limit, 200)
            step, _ = replica.step(batch, 1000, 300, *attained)
            found += list((batch / step / replica.devices)[step <= seconds])
    return max(found[1:], default=math.nan)


# --8<-- [start:hour]
def hour(v: dict) -> dict:
    """Dollars for an hour of one of eight GPUs, by what they pay for."""
    server, years, interest = (v[name] for name in BOUGHT)
    annuity = interest / (1 - (1 + interest) ** -years)
    invested = server * (1 + v["network, per $ of server"])
    kilowatts = v["power drawn [kW]"] * v["PUE"]  # what cooling draws included
    a_year = {
        "server and network": invested * annuity,
        "spares and repairs": server * v["spares, per $ and year"],
        "electricity": kilowatts * v["electricity [$/kWh]"] * 8_766,
        "space and cooling plant": 12 * v["space, cooling [$/kW/month]"] * 10.2,
        "staff": v["staff [$/server/year]"],
    }
    return {name: dollars / 8 / 8_766 for name, dollars in a_year.items()}


# --8<-- [end:hour]


# --8<-- [start:token]
def token(v: dict) -> tuple[np.ndarray, np.ndarray]:
    """Dollars per million tokens in and out: 70B on two owned H100, 50 ms a token."""
    replica, shape = Replica(MODELS["70B"], DEVICES["H100"], 2), (1000, 300)
    attained = [np.atleast_1d(v[f"{of} attained"]) for of in ("compute", "bandwidth")]
    tried = np.geomspace(1, replica.holds(sum(shape), USABLE), 120)
    needs, _ = replica.step(tried, *shape, *(share[:, None] for share in attained))
    limit = tried[(needs <= 0.05).sum(axis=1) - 1]
    batch = np.maximum(1, limit * v["batch, share of limit"])
    seconds, prompts = replica.step(batch, *shape, *attained)
    paid = 2 * sum(hour(v).values()) / v["load, share of hours"] / 3600 * 1e6
    return paid * prompts / batch / (1000 / 300), paid * (seconds - prompts) / batch


# --8<-- [end:token]


def one_at_a_time(drawn: dict) -> tuple[pd.Series, pd.Series]:
    """Dollars per million output tokens as one input moves from 5% to 95%, the rest medians."""
    medians, ends = {name: np.median(v) for name, v in drawn.items()}, {}
    for name, values in drawn.items():
        ways = [medians | {name: end} for end in np.percentile(values, [5, 95])]
        ends[name] = sorted(token(way)[1][0] for way in ways)
    low, high = pd.DataFrame(ends).to_numpy()
    return pd.Series(low, list(ends)), pd.Series(high, list(ends))
