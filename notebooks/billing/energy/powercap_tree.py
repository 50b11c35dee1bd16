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


def write(root: Path, energies_uj: dict[str, int], full: int) -> None:
    for name, energy_uj in energies_uj.items():
        folder = root / ZONES[name]
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "name": name,
            "energy_uj": energy_uj % full,
            "max_energy_range_uj": full,
        }
        for file, value in files.items():
            (folder / file).write_text(f"{value}\n")
