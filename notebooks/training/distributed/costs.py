"""Memory and traffic of training, from published shapes and data of devices."""

from dataclasses import dataclass

import pandas as pd
from facts import fact
from transformer_costs import accelerator, transformer

SUSTAINED = 400e12
"""FLOP/s of an H100; Llama 3 405B reached 38 to 43% of the peak."""
TOKENS = 8192
"""One sequence."""
NIC, NVLINK = fact("h100_sxm.network_gb_s") * 1e9, fact("h100_sxm.link_gb_s") * 1e9
NODE = 8 * NIC  # weights enter a node once, over its 8 NICs

LLAMA, MOE = transformer("llama_3_1_70b"), transformer("deepseek_v3")
PARAMS, TOTAL, ACTIVE = LLAMA.parameters, MOE.parameters, MOE.active_parameters
MOE_LAYERS = MOE.layers - MOE.dense_layers
SHARED = TOTAL - MOE_LAYERS * MOE.experts * 3 * MOE.width * MOE.expert_width
SMALL = transformer("llama_3_1_8b")


def state_gb(
    stage: int, ranks: int, weights: float = PARAMS, gradient_bytes: int = 2
) -> float:
    """A GPU's share: 12 bytes of FP32 copy and Adam moments, the gradient, 2 of weight."""
    optimizer, gradient, weight = (ranks if stage > i else 1 for i in range(3))
    return weights * (12 / optimizer + gradient_bytes / gradient + 2 / weight) / 1e9


def activations_gb(tp: int = 1, sequence_parallel: bool = True) -> float:
    """Of one sequence, 34sbh a layer: TP divides 24 of the 34, sequence parallelism all."""
    per_width = 34 / tp if sequence_parallel else 10 + 24 / tp
    return per_width * LLAMA.layers * TOKENS * LLAMA.width / 1e9


@dataclass(frozen=True)
class Fsdp:
    """Training on nodes of 8 devices."""

    moved: float
    """Weights that are gathered."""
    multiplied: float
    """Weights that compute for one token."""
    layers: int
    flops: float = SUSTAINED
    """Operations a second that one device sustains."""
    node: float = NODE
    """Bytes a second into a node, over all its NICs."""
    reduce_bytes: int = 2
    """Of one gradient on the wire."""

    def wire(self) -> float:
        """Seconds of a node's network: two gathers in BF16, one reduction."""
        return (2 + 2 + self.reduce_bytes) * self.moved / self.node

    def compute(self, tokens: float) -> float:
        return 6 * self.multiplied * tokens / self.flops

    # --8<-- [start:schedule]
    def step(self, tokens: float) -> float:
        """Seconds of a micro-batch; the next layer is gathered while this one computes."""
        gather = 2 * self.moved / self.layers / self.node
        scatter = self.reduce_bytes * self.moved / self.layers / self.node
        forward = self.compute(tokens) / 3 / self.layers
        network = device = begun = 0.0
        for i in range(2 * self.layers):
            network = max(network, begun) + gather
            begun = max(device, network)
            if i > self.layers:  # gradients of the layer before
                network = max(network, device) + scatter
            device = begun + (forward if i < self.layers else 2 * forward)
        return max(network, device) + scatter

    # --8<-- [end:schedule]

    @property
    def threshold(self) -> float:
        """Tokens a device and micro-batch from which computing takes longer than the bytes."""
        return self.wire() / self.compute(1)

    def hidden(self, tokens: float) -> float:
        """The share of the traffic's time that computing covers."""
        return 1 - (self.step(tokens) - self.compute(tokens)) / self.wire()


dense = Fsdp(PARAMS, PARAMS, LLAMA.layers)
sparse = Fsdp(TOTAL, ACTIVE, MOE.layers)
resting = Fsdp(SHARED, ACTIVE, MOE.layers)  # its experts are not gathered
in_fp32 = Fsdp(PARAMS, PARAMS, LLAMA.layers, reduce_bytes=4)  # torchtitan's reduction
at_peak = Fsdp(PARAMS, PARAMS, LLAMA.layers, accelerator("h100_sxm").bf16_flops)
on_b200 = Fsdp(PARAMS, PARAMS, LLAMA.layers, accelerator("b200").bf16_flops)  # at peak
# In one node each GPU receives 7/8 of the weights over its own NVLink.
in_node = Fsdp(PARAMS, PARAMS, LLAMA.layers, node=NVLINK * 8 / 7)


def links() -> pd.DataFrame:
    """Seconds of one sequence on the wire, and of the computation that could hide them."""
    compute, moe_compute = dense.compute(TOKENS), sparse.compute(TOKENS)
    block = 2 * TOKENS * LLAMA.width  # bytes of one activation, BF16
    tp_bytes = LLAMA.layers * 4 * 2 * 7 / 8 * block  # 4 all-reduces a layer, 8 ranks
    # Each token goes to 4 nodes and comes back, forward and backward, in BF16.
    all_to_all = TOKENS * MOE_LAYERS * 4 * 4 * 2 * MOE.width / NIC
    rows = {
        # A DDP step's reduction has only the backward pass to hide behind.
        "70B, DDP": [4 * PARAMS / NODE, compute * 2 / 3],
        "70B, FSDP": [dense.wire(), compute],
        "70B, TP 8 over NVLink": [tp_bytes / NVLINK, compute / 8],
        "70B, TP 8 over NICs": [tp_bytes / NIC, compute / 8],
        "70B, 16 stages over NICs": [2 * block / NIC, compute / 16],
        "671B MoE, FSDP": [sparse.wire(), moe_compute],
        "671B MoE, tokens to experts": [all_to_all, moe_compute],
    }
    table = pd.DataFrame(rows, index=["wire [s]", "compute [s]"]).T
    table["wire / compute"] = table["wire [s]"] / table["compute [s]"]
    return table


def published() -> pd.DataFrame:
    """Throughput lost between 8 and 128 H100s: Llama 3.1 8B, FSDP, 2 sequences a GPU."""
    # Tokens/s a GPU: torchtitan, benchmarks/llama3_h100_202412_torchtitan.md, tables 1 and 3.
    runs = {
        "eager": (5762, 5605),
        "compiled": (6667, 6514),
        "compiled, FP8": (8532, 8380),
    }
    table, small = {}, SMALL.parameters
    for run, (on_8, on_128) in runs.items():
        flops = 6 * small * on_8  # what that run itself sustained
        wide = Fsdp(small, small, SMALL.layers, flops, reduce_bytes=4)
        alone = wide.compute(2 * TOKENS)
        table[run] = {
            "measured": 1 - on_128 / on_8,
            "by the schedule": 1 - alone / wide.step(2 * TOKENS),
            "if nothing were hidden": 1 - alone / (alone + wide.wire()),
        }
    return pd.DataFrame(table).T


def sweep_cases() -> dict[str, Fsdp]:
    ascend = 0.4 * accelerator("ascend_910b").bf16_flops  # the same share of the peak
    ascend_node = 8 * fact("ascend_910b.network_gb_s") * 1e9
    return {
        "70B, 8 NICs a node [%]": dense,
        "70B, 1 NIC a node [%]": Fsdp(PARAMS, PARAMS, LLAMA.layers, node=NIC),
        "70B, Ascend 910B [%]": Fsdp(PARAMS, PARAMS, LLAMA.layers, ascend, ascend_node),
        "671B MoE [%]": sparse,
        "671B MoE, experts stay [%]": resting,
    }
