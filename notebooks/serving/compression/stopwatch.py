"""Latency by medians, and one table of bytes, accuracy and latency for ONNX files."""

import statistics
import time
import zlib
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd


def medians(
    calls: dict[Hashable, Callable[[], object]], rounds: int, burst: int = 3
) -> dict[Hashable, float]:
    """Milliseconds by call, taken in turn so that a noisy neighbour slows all alike.

    Processor time of this thread, which does all the work: waiting for a busy core does
    not count. A burst of calls keeps a small model's weights in its cache, as in service.
    """
    spent = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            for _ in range(burst):
                start = time.thread_time()
                call()
                spent[key].append(1e3 * (time.thread_time() - start))
    return {key: statistics.median(times) for key, times in spent.items()}


def session(path: str) -> onnxruntime.InferenceSession:
    """One thread on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(path, options, providers=providers)


def compare(
    files: dict[str, str],
    x: np.ndarray,
    y: np.ndarray,
    batches: tuple[int, ...],
    rounds: int,
) -> pd.DataFrame:
    """Bytes on disk and zipped, accuracy, and latency by batch for every file."""
    rows, calls = {}, {}
    for name, path in files.items():
        model = session(path)
        half = model.get_inputs()[0].type == "tensor(float16)"
        inputs = x.astype(np.float16) if half else x
        content = Path(path).read_bytes()
        rows[name] = {
            "file (MB)": len(content) / 1e6,
            "zipped (MB)": len(zlib.compress(content, 1)) / 1e6,
            "accuracy": (model.run(None, {"x": inputs})[0].argmax(1) == y).mean(),
        }
        for n in batches:
            calls[name, n] = partial(model.run, None, {"x": inputs[:n]})
    for (name, n), ms in medians(calls, rounds).items():
        rows[name][f"batch {n} (ms)"] = ms
    return pd.DataFrame.from_dict(rows, orient="index")
