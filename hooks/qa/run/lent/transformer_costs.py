"""What a decoder-only transformer costs in parameters, operations and bytes, and what it runs on.

Shapes of models and data of devices are facts of docs/facts.yml: `transformer("llama_3_1_8b")`,
`accelerator("h100_sxm")`.

Sources of the formulas: Kaplan et al., Scaling Laws for Neural Language Models, 2020 (2 operations
a parameter and token forward, 6 in training); Pope et al., Efficiently Scaling Transformer
Inference, 2022 (the memory of the KV cache, and reading it at each step); DeepSeek-AI, DeepSeek-V2,
2024 (latent attention).
"""

from dataclasses import dataclass, fields

from facts import fact  # type: ignore[import-not-found]


@dataclass(frozen=True)
class Transformer:
    """The shape of a model: grouped-query or latent attention, and a gated feed-forward network,
    dense or a mixture of experts. Norms are counted, biases are not."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    """Width of the feed-forward network in dense layers."""
    vocabulary: int
    tied: bool = False
    """Whether input and output share one embedding matrix."""
    head_width: int = 0
    """If it is not width / heads. In latent attention without what carries the position."""

    experts: int = 0
    """Routed ones a layer; a token goes through `active_experts` of them, and all shared ones."""
    active_experts: int = 0
    shared_experts: int = 0
    expert_width: int = 0
    dense_layers: int = 0
    """Those without experts, where others have them."""

    kv_rank: int = 0
    """Width of the latent vector in whose place no key or value is cached; 0 without one."""
    query_rank: int = 0
    rope_width: int = 0
    """What carries the position in a latent key, shared by all heads."""

    window: int = 0
    """Tokens that `window_layers` attend to at most, and cache."""
    window_layers: int = 0

    def __post_init__(self) -> None:
        if not self.head_width:
            object.__setattr__(self, "head_width", self.width // self.heads)

    @property
    def attention_weights(self) -> int:
        """Of the matrices of one layer."""
        inner = self.heads * self.head_width
        if not self.kv_rank:
            return 2 * self.width * inner + 2 * self.width * self.kv_heads * self.head_width
        query = self.query_rank * (self.width + inner + self.heads * self.rope_width)
        key_value = self.width * (self.kv_rank + self.rope_width) + 2 * self.kv_rank * inner
        return query + key_value + inner * self.width

    def feed_forward_weights(self, experts: int) -> int:
        """Of the matrices of one layer in which each token meets `experts` routed experts."""
        matrices = (experts + self.shared_experts) * 3 * self.width * self.expert_width
        return matrices + self.experts * self.width  # the router

    def _layer_weights(self, experts: int) -> int:
        """Of all layers."""
        dense = self.dense_layers if self.experts else self.layers
        weights = self.layers * self.attention_weights
        weights += dense * 3 * self.width * self.feed_forward
        return weights + (self.layers - dense) * self.feed_forward_weights(experts)

    @property
    def embedding_parameters(self) -> int:
        """Of one matrix: the input's is looked up, the output's is multiplied."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        embeddings = (1 if self.tied else 2) * self.embedding_parameters
        norms = (2 * self.layers + 1) * self.width
        return self._layer_weights(self.experts) + embeddings + norms

    @property
    def active_parameters(self) -> int:
        """Those that are multiplied for one token: some experts, and the output's embeddings. Who
        counts the input's too, as Qwen does, adds `embedding_parameters`."""
        return self._layer_weights(self.active_experts) + self.embedding_parameters

    def forward_flops(self, context: int) -> int:
        """Operations for one token that attends to `context` tokens, itself included.

        With latent attention as in prefill, where keys and values are made of the latent vectors.
        """
        seen = (self.layers - self.window_layers) * context
        seen += self.window_layers * min(context, self.window)
        scores = self.heads * (2 * self.head_width + self.rope_width)
        return 2 * self.active_parameters + 2 * scores * seen

    def kv_bytes(self, value_bytes: float = 2) -> float:
        """Bytes by which a token makes the KV cache grow: a key and a value in each layer, or one
        latent vector. Layers with a window, once it is full, grow no more, and are not counted."""
        cached = self.kv_rank + self.rope_width or 2 * self.kv_heads * self.head_width
        return (self.layers - self.window_layers) * cached * value_bytes


def transformer(name: str) -> Transformer:
    """The shape that the facts of a group give."""
    shape = fact(name)
    known = {field.name for field in fields(Transformer)}
    return Transformer(**{key: value for key, value in shape.items() if key in known})


@dataclass(frozen=True)
class Accelerator:
    """What its vendor says of one device."""

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


def accelerator(name: str) -> Accelerator:
    """The device that the facts of a group describe."""
    sheet = fact(name)
    return Accelerator(
        name.replace("_", " ").upper().replace("ASCEND", "Ascend"),
        sheet["bf16_tflops"] * 1e12,
        sheet["bandwidth_tb_s"] * 1e12,
        sheet["memory_gb"] * 1e9,
        sheet.get("power_w", float("nan")),
    )
