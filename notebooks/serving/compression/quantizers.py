"""Quantisers: ONNX Runtime's, and rounding to a format and back in NumPy. Weights are [input, output]."""

import logging

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)

logging.disable(logging.WARNING)  # ONNX Runtime's quantisers report on every node
E2M1 = np.array(
    [0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32
)  # the magnitudes of a 4-bit float


def int8_file(source: str, path: str) -> str:
    quantize_dynamic(source, path, weight_type=QuantType.QInt8, per_channel=True)
    return path


def int4_file(source: str, path: str, group: int = 32) -> str:
    config = DefaultWeightOnlyQuantConfig(block_size=group, is_symmetric=True)
    quantizer = MatMulNBitsQuantizer(onnx.load(source), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(path)
    return path


def session(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )


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


def w8a8(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """An int8 product with a scale per token and one per output channel."""
    return integer(h, 1) @ integer(w, 0)


def llm_int8(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The few input channels with outliers stay in float."""
    out = np.abs(h).max(0) > 10 * np.median(np.abs(h).max(0))
    return w8a8(h[:, ~out], w[~out]) + h[:, out] @ w[out]


def smoothquant(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A factor per input channel moves the outliers half way from the activations into the weights."""
    s = np.sqrt(np.abs(h).max(0) / np.abs(w).max(1)).clip(1e-3)
    return w8a8(h / s, w * s[:, None])


def awq(w: np.ndarray, inputs: np.ndarray, group: int) -> np.ndarray:
    """Scale busy input channels up before rounding, by the power of their mean that hurts the outputs least."""
    tried = [
        np.abs(inputs).mean(0).clip(1e-3)[:, None] ** power
        for power in np.arange(0, 0.7, 0.1)
    ]
    return min(
        (grouped(w * s, group) / s for s in tried),
        key=lambda q: np.linalg.norm(inputs @ (q - w)),
    )


def gptq(w: np.ndarray, inputs: np.ndarray, group: int) -> np.ndarray:
    """Round one input row at a time; let the rows still to come make up for its error on real inputs."""
    hessian = (inputs.T @ inputs).astype(np.float64)
    hessian += 0.01 * np.diag(hessian).mean() * np.eye(len(w))
    factor = np.linalg.cholesky(np.linalg.inv(hessian)).T.astype(np.float32)
    w, rounded = w.copy(), np.empty_like(w)
    for i in range(len(w)):
        if i % group == 0:
            scale = np.abs(w[i : i + group]).max(0) / 7
        rounded[i] = (w[i] / scale).round().clip(-7, 7) * scale
        w[i + 1 :] -= np.outer(factor[i, i + 1 :] / factor[i, i], w[i] - rounded[i])
    return rounded
