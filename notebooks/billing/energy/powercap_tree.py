"""Folders that look like the kernel's /sys/class/powercap, for a test of the meter."""

from pathlib import Path

REGISTER = 2**32 - 1  # the kernel reads 32 bits of the counter
EXPONENT = {"Intel": 14, "AMD": 16}  # a count is this power of a half joule
NANOJOULES = {vendor: 10**9 // 2**power for vendor, power in EXPONENT.items()}
FULL = {vendor: REGISTER * unit // 1000 for vendor, unit in NANOJOULES.items()}  # uJ
ZONES = {
    "package-0": "intel-rapl:0",
    "core": "intel-rapl:0:0",  # a part of package-0
    "dram": "intel-rapl:0:1",
    "package-1": "intel-rapl:1",
}


def write(root: Path, full: int, package: int) -> None:
    """The counters when package-0, which began close to full, has spent so many uJ."""
    energies = {
        "package-0": full - 250_000_000 + package,
        "core": package // 2,
        "dram": package // 10,
        "package-1": 0,
    }
    for name, energy in energies.items():
        folder = root / ZONES[name]
        folder.mkdir(parents=True, exist_ok=True)
        files = {"name": name, "energy_uj": energy % full, "max_energy_range_uj": full}
        for file, value in files.items():
            (folder / file).write_text(f"{value}\n")
