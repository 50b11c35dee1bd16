"""What data sheets say of a device, at the precision it serves in, and what an hour of it costs.

Peaks are dense. Xeon: 96 cores of a Xeon 8488C at an assumed 2.4 GHz, 2,048 INT8 operations a cycle
with AMX, 16 channels of DDR5-4800.
"""

from dataclasses import dataclass

from transformer_costs import Accelerator, accelerator


@dataclass(frozen=True)
class Device:
    sheet: Accelerator
    precision: str
    speedup: float
    """Operations a second at that precision, as a multiple of BF16."""
    value_bytes: float
    """Of a weight; a cached key or value takes at least one byte."""
    link: float
    """Bytes a second to the other devices of the server, one way."""
    rent: float | None
    """Dollars an hour on demand, where a public price was found."""

    @property
    def name(self) -> str:
        return self.sheet.name.removesuffix(" SXM").removesuffix(" 80GB")

    @property
    def ops(self) -> float:
        return self.speedup * self.sheet.bf16_flops

    @property
    def cache_bytes(self) -> float:
        return max(1, self.value_bytes)


GPUS = ("a100_80gb_sxm", "h100_sxm", "h200_sxm", "h20", "b200", "mi300x")
A100, H100, H200, H20, B200, MI300X = map(accelerator, GPUS)
TPU_V6E = Accelerator("TPU v6e", 918e12, 1.638e12, 32e9, float("nan"))
XEON = Accelerator("2x Xeon", 96 * 1_024 * 2.4e9, 16 * 4_800e6 * 8, 768e9, 2 * 385)

# Rents: RunPod Secure Cloud, read 2026-09-25; MI300X: median of providers, 2026-05-18; TPU v6e:
# list price of Google Cloud in us-east5, by SkyPilot's catalogue; Xeon: the whole server, AWS
# m7i.48xlarge in us-east-1.
DEVICES = {
    device.name: device
    for device in (
        Device(A100, "BF16", 1, 2, 300e9, 1.59),
        Device(H100, "FP8", 2, 1, 450e9, 3.49),
        Device(H200, "FP8", 2, 1, 450e9, 4.59),
        Device(H20, "FP8", 2, 1, 450e9, None),
        Device(B200, "FP4", 4, 0.5, 900e9, 6.79),
        Device(MI300X, "FP8", 2, 1, 448e9, 1.99),
        Device(TPU_V6E, "BF16", 1, 2, 400e9, 2.70),
        Device(XEON, "INT8", 2, 1, 60e9, 9.6768),
    )
}
