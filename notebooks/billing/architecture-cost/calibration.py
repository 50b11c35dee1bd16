"""The model held to what others measured."""

import numpy as np
import pandas as pd
from devices import DEVICES
from published import LLAMA_2_70B, MLPERF, MODELS, NIM, SHAPES, TENSORRT_LLM, TPU_V6E
from roofline import Work, batch_limit, step

SHARES = np.linspace(0.2, 0.9, 71)


def full_load(model, device, count, work, compute, memory):
    """Tokens a second of a replica whose memory is full of requests."""
    batch = batch_limit(model, device, count, work)
    return batch / step(model, device, count, batch, work, compute, memory)[0]


def tensorrt_llm(key: tuple, compute, memory) -> np.ndarray:
    """Logarithms of modelled over measured throughput, one for each shape of request."""
    name, device, count = key
    return np.array(
        [
            np.log(
                full_load(
                    MODELS[name], DEVICES[device], count, Work(*s), compute, memory
                )
                / seen
            )
            for s, seen in zip(SHAPES, TENSORRT_LLM[key])
        ]
    )


def fit(key: tuple) -> tuple[float, float]:
    """The attained shares of compute and of bandwidth that explain one column best."""
    error = abs(tensorrt_llm(key, SHARES[:, None], SHARES)).mean(axis=0)
    row, column = np.unravel_index(error.argmin(), error.shape)
    return float(SHARES[row]), float(SHARES[column])


def others(compute: float, memory: float) -> dict[str, np.ndarray]:
    """The same logarithms for other benchmarks, engines and makers."""
    logs = {}
    for name, seen in MLPERF.items():
        count = 2 if name == "H100" else 1
        found = full_load(
            LLAMA_2_70B, DEVICES[name], count, Work(294, 290), compute, memory
        )
        logs[f"MLPerf 4.1, 8x {name}"] = np.log([found * 8 / count / seen])
    batch, seen, _ = np.array(TPU_V6E).T
    work = Work(1000, 1000)
    seconds = step(MODELS["70B"], DEVICES["TPU v6e"], 8, batch, work, compute, memory)[
        0
    ]
    logs["vLLM 70B BF16, 8x TPU v6e"] = np.log(batch / seconds / seen)
    batch, _, delay = np.array(NIM).T
    seconds = step(
        MODELS["70B"], DEVICES["H100"], 2, batch, Work(5000, 500), compute, memory
    )[0]
    logs["NIM 70B, 2x H100: latency"] = np.log(1000 * seconds / delay)
    return logs


def check(compute: float, memory: float) -> pd.DataFrame:
    """How far the model is from each published set; beyond zero it is too fast."""
    columns = {
        f"TensorRT-LLM {model}, {count}x {device}": tensorrt_llm(
            (model, device, count), compute, memory
        )
        for model, device, count in TENSORRT_LLM
    } | others(compute, memory)
    relative = {name: np.expm1(logs) for name, logs in columns.items()}
    return pd.DataFrame(
        {
            "points": {name: len(r) for name, r in relative.items()},
            "mean |deviation|": {name: abs(r).mean() for name, r in relative.items()},
            "mean": {name: np.expm1(logs.mean()) for name, logs in columns.items()},
            "worst": {name: r[abs(r).argmax()] for name, r in relative.items()},
        }
    )
