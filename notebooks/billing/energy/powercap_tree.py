"""Folders that look like the kernel's /sys/class/powercap, for a test of the meter."""

from pathlib import Path

FULL = 262_143_328_850  # uJ: a register of 32 bits, in steps of 61 uJ
ZONES = {
    "package-0": "intel-rapl:0",
    "core": "intel-rapl:0:0",  # a part of package-0
    "dram": "intel-rapl:0:1",
    "package-1": "intel-rapl:1",
}


def write(root: Path, energies_uj: dict[str, int]) -> None:
    for name, energy_uj in energies_uj.items():
        folder = root / ZONES[name]
        folder.mkdir(parents=True, exist_ok=True)
        files = {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": FULL}
        for file, value in files.items():
            (folder / file).write_text(f"{value}\n")
