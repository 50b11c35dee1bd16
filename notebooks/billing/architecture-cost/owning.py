"""What an hour of one owned H100 costs, and how unsure each part of that is."""

import numpy as np

# Each as (low, most likely, high) of a triangular distribution, for a server of eight H100.
ASSUMED = {
    "server price [$]": (
        240_000,
        270_000,
        350_000,
    ),  # SemiAnalysis 2023: about 270,000 a DGX H100
    "network, per $ of server": (0.08, 0.15, 0.25),
    "life [years]": (3, 5, 6),
    "cost of capital [1/year]": (0.05, 0.09, 0.14),
    "spares, per $ and year": (0.02, 0.05, 0.08),
    "power drawn [kW]": (
        5.6,
        7.5,
        10.2,
    ),  # MLPerf Max-Q 2024, measured; DGX H100, at most
    "PUE": (1.1, 1.3, 1.55),
    "electricity [$/kWh]": (
        0.06,
        0.09,
        0.17,
    ),  # EIA, April 2025: industry, Iowa to New England
    "space, cooling [$/kW/month]": (120, 180, 220),  # CBRE 2025: 217 on average
    "staff [$/server/year]": (1_000, 2_000, 5_000),
    "load, share of hours": (0.2, 0.45, 0.8),
    "batch, share of limit": (0.25, 0.6, 1.0),
}


def draw(count: int, seed: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {name: chance.triangular(*shape, count) for name, shape in ASSUMED.items()}


# --8<-- [start:hour]
def hour(v) -> dict:
    """Dollars for an hour of one of eight GPUs, by what they pay for."""
    server, years = v["server price [$]"], v["life [years]"]
    interest = v["cost of capital [1/year]"]
    annuity = interest / (1 - (1 + interest) ** -years)
    invested = server * (1 + v["network, per $ of server"])
    kilowatts = v["power drawn [kW]"] * v["PUE"]  # what cooling draws included
    space = 10.2 * v["space, cooling [$/kW/month]"] * 12  # for what it may draw
    gpu_hours = 8 * 8_766  # a year
    return {
        "server and network": invested * annuity / gpu_hours,
        "spares and repairs": server * v["spares, per $ and year"] / gpu_hours,
        "electricity": kilowatts * v["electricity [$/kWh]"] / 8,
        "space and cooling plant": space / gpu_hours,
        "staff": v["staff [$/server/year]"] / gpu_hours,
    }


# --8<-- [end:hour]
