"""A made-up account's October: calls at all hours, some of them in batches."""

from datetime import timedelta
from random import Random

from properties import OCTOBER
from rating import Pack, Usage

UPGRADE = OCTOBER[0] + timedelta(days=20)
PLANS = [(OCTOBER[0], "payg"), (UPGRADE, "pro")]
PACKS = [
    Pack(
        "input",
        8_000_000,
        OCTOBER[0] - timedelta(days=80),
        OCTOBER[0] + timedelta(days=10),
    ),
    Pack("input", 8_000_000, OCTOBER[0], OCTOBER[0] + timedelta(days=90)),
]


def october(calls: int = 1_500) -> list[Usage]:
    chance = Random(10)
    usage = []
    for _ in range(calls):
        at = OCTOBER[0] + timedelta(seconds=chance.randrange(31 * 86_400))
        batch = chance.random() < 0.3
        cached = chance.randrange(30_000)
        usage += [
            Usage(at, "input", batch, chance.randrange(1, 60_000)),
            Usage(at, "cached_input", batch, cached),
            Usage(at, "output", batch, chance.randrange(1, 6_000)),
        ]
        if chance.random() < 0.2:
            usage.append(Usage(at, "audio", False, chance.randrange(1, 600)))
            usage.append(Usage(at, "image", False, chance.randrange(1, 5)))
            usage.append(Usage(at, "gpu", False, chance.randrange(1, 300)))
    return usage
