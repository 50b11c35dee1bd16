"""Joules of a piece of work: from the processor's counters, or else from a stated model."""

import time
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")  # AMD's counters stand here too


# --8<-- [start:rapl]
class Rapl:
    """The kernel's energy counters, in microjoules, which start again at zero when full."""

    def __init__(self, root: Path = POWERCAP):
        # "core" and "uncore" are parts of "package", and "psys" contains it: adding
        # them would count a joule twice. A server's "dram" stands beside "package".
        names = {z: (z / "name").read_text().strip() for z in root.glob("intel-rapl:*")}
        wanted = [
            z for z, name in names.items() if name.startswith(("package", "dram"))
        ]
        self.zones = sorted(wanted)
        self.full = {z: int((z / "max_energy_range_uj").read_text()) for z in wanted}
        self.read()  # raises where only root may read

    def read(self) -> dict[Path, int]:
        return {z: int((z / "energy_uj").read_text()) for z in self.zones}

    def joules(self, before: dict[Path, int], after: dict[Path, int]) -> float:
        """Right if no counter went round more than once in between."""
        spent = ((after[z] - before[z]) % self.full[z] for z in self.zones)
        return sum(spent) / 1e6


# --8<-- [end:rapl]


@dataclass(frozen=True)
class LinearPower:
    """Power of one core: idle, plus a part in proportion to how busy it is."""

    idle: float = 2.0  # W, a core's share of a running machine: assumed
    busy: float = 5.0  # W, the same with the core at work: assumed

    def joules(self, wall: float, processor: float) -> float:
        return self.idle * wall + (self.busy - self.idle) * processor


class Meter:
    """Measures one function at a time, and says what with."""

    def __init__(self, root: Path = POWERCAP, model: LinearPower = LinearPower()):
        self.model = model
        try:
            self.rapl = Rapl(root)
        except OSError:
            self.rapl = None
        if self.rapl and not self.rapl.zones:
            self.rapl = None
        self.source = "RAPL counters" if self.rapl else "linear model of one core"

    def __call__(self, work, seconds: float = 0.05) -> float:
        """Joules of one run of `work`, repeated until it has taken `seconds`."""
        work()  # not the first time, which allocates
        runs, before = 0, self.rapl.read() if self.rapl else {}
        start = time.process_time()
        while (spent := time.process_time() - start) < seconds:
            work()
            runs += 1
        if self.rapl:
            return self.rapl.joules(before, self.rapl.read()) / runs
        # A busy neighbour makes the clock on the wall run on without us.
        return self.model.joules(wall=spent, processor=spent) / runs
