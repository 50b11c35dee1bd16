"""The module that gives notebooks a language model runs in the sandbox, in both of its forms."""

from __future__ import annotations

from typing import Any

import pytest

from qa.failures import Failures
from tests.run.conftest import Runner

ENGINE = """\
import httpx
from language_model import Engine

question = [{"role": "user", "content": "What is a KV cache?"}]
asked = {"messages": question, "max_tokens": 12, "temperature": 0}
with Engine(slots=2) as llm:
    done = httpx.post(f"{llm.address}/v1/chat/completions", json=asked, timeout=60).json()
    health = httpx.get(f"{llm.address}/health").json()["status"]
    slots = len(httpx.get(f"{llm.address}/slots").json())
    metrics = httpx.get(f"{llm.address}/metrics").text
text, used = done["choices"][0]["message"]["content"], done["usage"]["completion_tokens"]
counted = "llamacpp:tokens_predicted_total 12" in metrics
assert used == 12
"""
COMPLETE = """\
from language_model import Engine

with Engine(slots=2) as llm:
    first, second = llm.complete(["Once", [1, 2, 3]], 5)
    [again] = llm.complete(["Once"], 5)
    [warm] = llm.complete(["Once upon a time"], 2, temperature=1.5, cache_prompt=True)
    steps, made = llm.metrics()["n_decode_total"], llm.metrics()["tokens_predicted_total"]
batched = steps < made
read, same = second["tokens_evaluated"], first["content"] == again["content"]
overridden = warm["generation_settings"]["temperature"]
assert made == 17
"""
TORCH = """\
import torch
from language_model import load_model, load_tokenizer

tokenizer, model = load_tokenizer(), load_model()
question = [{"role": "user", "content": "What is a KV cache?"}]
ids = tokenizer.apply_chat_template(
    question, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
with torch.no_grad():
    answer = model.generate(**ids, max_new_tokens=12, do_sample=False)
text = tokenizer.decode(answer[0, ids.input_ids.shape[1] :])
assert model.config.num_hidden_layers == 30
"""


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return {}


def test_the_engine_answers_and_counts(cells: Runner, said: dict[str, Any]) -> None:
    values = cells(ENGINE).values
    assert (values["health"], values["slots"], values["counted"]) == ("ok", 2, True)
    said["engine"] = values["text"]


def test_prompts_of_one_call_share_their_steps(cells: Runner) -> None:
    values = cells(COMPLETE).values
    assert (values["read"], values["same"], values["overridden"]) == (3, True, 1.5)
    assert values["batched"] is True


def test_in_pytorch_the_same_weights_say_the_same(cells: Runner, said: dict[str, Any]) -> None:
    """Greedy, for a few tokens: the two compute in different precision."""
    said["torch"] = cells(TORCH).values["text"]
    assert "cache" in said["torch"]
    assert said["engine"] == said["torch"]


def test_with_fewer_layers(cells: Runner) -> None:
    source = "from language_model import load_model\nlayers = len(load_model(4).model.layers)\n"
    assert cells(f"{source}assert layers").values["layers"] == 4


def test_an_unknown_setting_is_refused(cells: Runner) -> None:
    with pytest.raises(Failures, match=r"llama\.cpp has no setting n_slots"):
        cells("from language_model import Engine\nEngine(n_slots=3)")


def test_the_weights_cannot_be_changed(cells: Runner) -> None:
    source = "import language_model as m\nopen(m.{}, 'ab')"
    for name in ("WEIGHTS", "FOLDER / 'model.safetensors'"):
        with pytest.raises(Failures, match="writes outside its folder"):
            cells(source.format(name))
