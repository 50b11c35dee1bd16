"""Words to search for: what the index holds is what the browser looks up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from qa.drawing.drawings import NODE
from qa.finish.tokens import tokens

SCRIPT = Path(__file__).parents[2] / "docs/assets/search/text.js"
TEXTS = {
    "显存够吗 卡": ["显存", "存够", "够吗", "卡"],
    "KV缓存": ["kv", "缓存"],
    "C++ 和 C#，g++": ["c++", "和", "c#", "g++"],
    "ＫＶ１２ Café nai\u0308ve": ["kv12", "cafe", "naive"],
    "--max-model-len": ["maxmodellen", "max", "model", "len"],
    "vllm_config pass@k": ["vllm_config", "vllm", "config", "pass@k", "pass", "k"],
    "AllReduce 与 all-reduce": ["allreduce", "all", "reduce", "与", "allreduce", "all", "reduce"],
    "CrashLoopBackOff OOMKilled": ["crashloopbackoff", "crash", "loop", "back", "off", "oomkilled"],
    "0.92, v1.2 p95 6ND": ["0.92", "v1", "2", "p95", "6nd"],
    "": [],
}


@pytest.mark.parametrize("text", TEXTS)
def test_words_of_a_text(text: str) -> None:
    assert list(tokens(text)) == TEXTS[text]


def test_a_browser_cuts_texts_in_the_same_way() -> None:
    docs = SCRIPT.parents[2]
    texts = [*TEXTS, *(p.read_text(encoding="utf-8") for p in docs.glob("??/billing/*.md"))]
    program = (
        "globalThis.window = { qaSearch: {} }\n"
        f"{SCRIPT.read_text(encoding='utf-8')}\n"
        "const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'))\n"
        "const cut = (text) => [...window.qaSearch.text.tokens(text.normalize('NFC'))]\n"
        "console.log(JSON.stringify(texts.map((text) => cut(text).map(({ token }) => token))))\n"
    )
    done = subprocess.run(
        [str(NODE), "-e", program], input=json.dumps(texts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for text, words in zip(texts, found, strict=True):
        assert words == list(tokens(text))
