"""Joules from the processor's counters, and processor time of a real engine."""

import time
from collections.abc import Callable
from pathlib import Path


# --8<-- [start:rapl]
class Rapl:
    """The kernel's energy counters, in microjoules, which start again at zero when full."""

    def __init__(self, root: Path = Path("/sys/class/powercap")):
        # "core" and "uncore" are parts of "package", and "psys" contains it: adding
        # them would count a joule twice. A server's "dram" stands beside "package".
        names = {z: (z / "name").read_text().strip() for z in root.glob("intel-rapl:*")}
        self.zones = [
            z for z, name in names.items() if name.startswith(("package", "dram"))
        ]
        self.full = {
            z: int((z / "max_energy_range_uj").read_text()) for z in self.zones
        }

    def read(self) -> dict[Path, int]:
        return {z: int((z / "energy_uj").read_text()) for z in self.zones}

    def joules(self, before: dict[Path, int], after: dict[Path, int]) -> float:
        """Right if no counter went round more than once in between."""
        spent = ((after[z] - before[z]) % self.full[z] for z in self.zones)
        return sum(spent) / 1e6


# --8<-- [end:rapl]


def processor_seconds(work: Callable[[], object]) -> tuple[float, object]:
    """Processor time of all threads of this process, the engine's among them."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result
