"""Quantisers: ONNX Runtime's, and rounding to a format and back in NumPy. Weights are [input, output]."""

import logging

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)

logging.disable(logging.WARNING)  # ONNX Runtime's quantisers report on every node
# The magnitudes of a 4-bit float.
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)


def int8_file(source: str, path: str) -> str:
    """int8 weights by channel, activations quantised on the fly.

    Weights use 7 of the 8 bits (reduce_range): x86 CPUs without VNNI add pairs of
    products in 16 bits, which full-range weights can overflow.
    """
    quantize_dynamic(
        source,
        path,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )
    return path


def int4_file(source: str, path: str, group: int = 32) -> str:
    config = DefaultWeightOnlyQuantConfig(block_size=group, is_symmetric=True)
    quantizer = MatMulNBitsQuantizer(onnx.load(source), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(path)
    return path


def integer(t: np.ndarray, axis: int | None, bits: int = 8) -> np.ndarray:
    """Symmetric round to nearest; one scale for every slice along `axis`, or one in all for None."""
    scale = np.abs(t).max(axis, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.round(t / scale) * scale


def grouped(w: np.ndarray, group: int) -> np.ndarray:
    """Four bits, one scale for `group` consecutive weights of an output channel."""
    return integer(w.reshape(-1, group, w.shape[1]), 1, 4).reshape(w.shape)


def fp8(t: np.ndarray) -> np.ndarray:
    """E4M3 with one scale for the whole tensor."""
    scale = np.abs(t).max() / 448
    return torch.from_numpy(t / scale).to(torch.float8_e4m3fn).float().numpy() * scale


def fp4(w: np.ndarray, block: int, power_of_two: bool) -> np.ndarray:
    """MXFP4 (32, power-of-two scales) or NVFP4 (16, E4M3 scales under one float32 scale)."""
    t = w.reshape(-1, block, w.shape[1])
    peak = np.abs(t).max(1, keepdims=True)
    scale = 2.0 ** (np.floor(np.log2(peak)) - 2) if power_of_two else fp8(peak / 6)
    nearest = np.abs(np.abs(t / scale)[..., None] - E2M1).argmin(-1)
    return (np.sign(t) * E2M1[nearest] * scale).reshape(w.shape)


def per_tensor(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """An int8 product with one scale for each of the two matrices."""
    return integer(h, None) @ integer(w, None)


def per_channel(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """An int8 product with a scale per token and one per output channel."""
    return integer(h, 1) @ integer(w, 0)


def llm_int8(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The few input channels with outliers stay in float."""
    peak = np.abs(h).max(0)
    out = peak > 10 * np.median(peak)
    return per_channel(h[:, ~out], w[~out]) + h[:, out] @ w[out]


def smoothquant(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A factor per input channel moves outliers half way into the weights."""
    s = np.sqrt(np.abs(h).max(0) / np.abs(w).max(1)).clip(1e-3)
    return per_channel(h / s, w * s[:, None])


def fp8_product(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    return fp8(h) @ fp8(w)


def awq(w: np.ndarray, inputs: np.ndarray, group: int) -> np.ndarray:
    """Scale busy input channels up before rounding, as far as it helps the outputs."""
    busy = np.abs(inputs).mean(0).clip(1e-3)[:, None]
    scales = [busy**power for power in np.arange(0, 0.7, 0.1)]
    candidates = [grouped(w * s, group) / s for s in scales]
    return min(candidates, key=lambda q: np.linalg.norm(inputs @ (q - w)))


# --8<-- [start:gptq]
def gptq(w: np.ndarray, inputs: np.ndarray, group: int) -> np.ndarray:
    """Round one input row at a time; the rows still to come make up for its error."""
    hessian = (inputs.T @ inputs).astype(np.float64)
    hessian += 0.01 * np.diag(hessian).mean() * np.eye(len(w))
    factor = np.linalg.cholesky(np.linalg.inv(hessian)).T.astype(np.float32)
    w, rounded = w.copy(), np.empty_like(w)
    for i in range(len(w)):
        if i % group == 0:
            scale = np.abs(w[i : i + group]).max(0) / 7
        rounded[i] = (w[i] / scale).round().clip(-7, 7) * scale
        error = (w[i] - rounded[i]) / factor[i, i]
        w[i + 1 :] -= np.outer(factor[i, i + 1 :], error)
    return rounded


# --8<-- [end:gptq]
