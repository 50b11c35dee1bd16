"""Energy of one job against the clock of a GPU: a model, in watts of an H100 at 700 W."""

import numpy as np

IDLE = 120  # W of the chip with nothing to do
HOST = 350  # W: a GPU's part of processors, memory, fans and power supplies
CORES = 580  # W that the cores add at the highest clock, all of them busy
MEMORY = 140  # W that the memory adds at full bandwidth

CLOCK = np.linspace(0.3, 1, 701)  # of the highest
# Voltage falls with the clock, but not below a floor.
VOLTS = np.maximum(0.65, 0.3 + 0.7 * CLOCK)


# --8<-- [start:energy]
def compute_bound(static: float) -> tuple[np.ndarray, np.ndarray]:
    """Time and energy of a training step or a prefill at each clock."""
    time = 1 / CLOCK
    return time, (static + CORES * VOLTS**2 * CLOCK) * time


def decode(static: float, compute: float, busy: float):
    """The same for a step that waits for memory.

    At the highest clock its arithmetic takes the share `compute` of the step, and keeps
    the share `busy` of the cores' power going.
    """
    time = np.maximum(1, compute / CLOCK)
    power = static + MEMORY / time + busy * CORES * VOLTS**2 * CLOCK
    return time, power * time


# --8<-- [end:energy]
