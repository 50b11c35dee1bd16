"""The environment of the server, and so of all runs: nothing of the builder's own variables."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def variables(home: Path, fonts: Path) -> dict[str, str]:
    """What a program needs to be found and to compute the same each time."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin"]),
        "HOME": str(home),
        "TMPDIR": tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "MATPLOTLIBRC": str(Path(__file__).with_name("matplotlibrc")),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(fonts),
        # Two threads on a busy machine are many times slower than one.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        # Matplotlib writes this date, not today's, into its files.
        "SOURCE_DATE_EPOCH": "0",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
