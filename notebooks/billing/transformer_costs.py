"""What a decoder-only transformer costs in parameters, operations and bytes, and what it runs on.

Sources of the formulas: Kaplan et al., Scaling Laws for Neural Language Models, 2020 (2 operations a
parameter and token forward, 6 in training); Pope et al., Efficiently Scaling Transformer Inference,
2022 (the memory of the KV cache, and reading it at each step).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transformer:
    """The shape of a model with grouped-query attention and a gated feed-forward network."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    tied: bool = False
    """Whether input and output share one embedding matrix."""

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def layer_weights(self) -> int:
        """Of the matrices of one layer."""
        kv_width = self.kv_heads * self.head_width
        attention = 2 * self.width * self.width + 2 * self.width * kv_width
        return attention + 3 * self.width * self.feed_forward

    @property
    def embedding_parameters(self) -> int:
        """Of one matrix: the input's is looked up, the output's is multiplied."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        embeddings = (1 if self.tied else 2) * self.embedding_parameters
        norms = (2 * self.layers + 1) * self.width
        return self.layers * self.layer_weights + embeddings + norms

    def forward_flops(self, context: int) -> int:
        """Operations for one token that attends to `context` tokens, itself included."""
        weights = self.layers * self.layer_weights + self.embedding_parameters
        return 2 * weights + 4 * self.layers * self.width * context

    def kv_bytes(self, value_bytes: float = 2) -> float:
        """Bytes of KV cache a token: a key and a value in each layer."""
        return 2 * self.layers * self.kv_heads * self.head_width * value_bytes


# Shapes: Grattafiori et al., The Llama 3 Herd of Models, 2024, table 3.
LLAMA_3_1_8B = Transformer(32, 4096, 32, 8, 14_336, 128_256)
LLAMA_3_1_70B = Transformer(80, 8192, 64, 8, 28_672, 128_256)
LLAMA_3_1_405B = Transformer(126, 16_384, 128, 8, 53_248, 128_256)


@dataclass(frozen=True)
class Accelerator:
    """What a data sheet says of one device."""

    name: str
    bf16_flops: float
    """Dense operations a second; sheets often print twice as much, for sparse matrices."""
    bandwidth: float
    """Bytes a second from its own memory."""
    memory: float
    """Bytes."""
    power: float
    """Watts at most."""

    @property
    def ridge(self) -> float:
        """Operations a byte from which on computing, not reading, is the limit."""
        return self.bf16_flops / self.bandwidth


# NVIDIA's data sheets: A100 80GB SXM (2021), H100 SXM (2023), H200 SXM (2024).
A100 = Accelerator("A100 80GB SXM", 312e12, 2.039e12, 80e9, 400)
H100 = Accelerator("H100 SXM", 989e12, 3.35e12, 80e9, 700)
H200 = Accelerator("H200 SXM", 989e12, 4.8e12, 141e9, 700)
