"""Watts of a GPU against its clock: a model of an H100 at 700 W."""

import numpy as np

IDLE = 120  # W of the chip with nothing to do
HOST = 350  # W: a GPU's part of processors, memory, fans and power supplies
CORES = 580  # W that the cores add at the highest clock, all of them busy
MEMORY = 140  # W that the memory adds at full bandwidth


# --8<-- [start:cores]
def cores(clock, slope=0.7):
    """Watts of busy cores at a share of the highest clock."""
    volts = np.maximum(
        0.65, 1 - slope * (1 - clock)
    )  # falls with the clock, to a floor
    return CORES * volts**2 * clock


# --8<-- [end:cores]
