"""The roofline that notebooks share: what it reads, what it computes, what fits."""

import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qa import facts

LENT = Path(__file__).parents[2] / "hooks/qa/run/lent"
FACTS = facts.read(Path(__file__).parents[2] / "docs/facts.yml")
SHEET = {"bf16_tflops": 500, "fp8_tflops": 1000, "bandwidth_tb_s": 2, "memory_gb": 80}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """As a run finds it: beside the facts and what they are computed with."""
    folder = tmp_path_factory.mktemp("lent")
    for name in ("facts.py", "transformer_costs.py", "roofline.py"):
        shutil.copy(LENT / name, folder)
    (folder / "facts.json").write_text(facts.as_json(FACTS.by_id.values()))
    sys.path.insert(0, str(folder))
    try:
        names = runpy.run_path(str(folder / "roofline.py"))
        transformer = sys.modules["transformer_costs"].transformer
        yield SimpleNamespace(Replica=names["Replica"], transformer=transformer)
    finally:
        sys.path.remove(str(folder))
        for name in ("facts", "transformer_costs"):
            sys.modules.pop(name, None)


def load(shared: SimpleNamespace, name: str) -> Any:
    return shared.transformer(name)


def test_one_sequence_waits_for_the_weights(shared: SimpleNamespace) -> None:
    replica = shared.Replica(load(shared, "llama_3_1_8b"), SHEET)
    seconds, _ = replica.step(1, prompt=1, output=1000, compute=1, memory=1)
    read = replica.weights_read(1) + 501 * replica.token_bytes
    assert seconds == pytest.approx(read / 2e12, rel=0.001)


def test_many_short_sequences_wait_for_the_arithmetic(shared: SimpleNamespace) -> None:
    llama = load(shared, "llama_3_1_8b")
    replica = shared.Replica(llama, SHEET)
    seconds, prompts = replica.step(2000, prompt=1000, output=1, compute=1, memory=1e6)
    operations = 2000 * (1000 * llama.forward_flops(500))
    assert prompts == pytest.approx(operations / 1e15, rel=0.1)
    assert prompts < seconds < 1.1 * prompts


def test_half_of_a_share_takes_twice_as_long(shared: SimpleNamespace) -> None:
    replica = shared.Replica(load(shared, "llama_3_1_70b"), SHEET | {"link_gb_s": 1e9}, 4)
    whole, half = (replica.step(64, 1000, 300, share, share)[0] for share in (1, 0.5))
    assert half == pytest.approx(2 * whole, rel=1e-6)


def test_a_link_is_waited_for(shared: SimpleNamespace) -> None:
    llama = load(shared, "llama_3_1_70b")
    fast, slow = (
        shared.Replica(llama, SHEET | {"link_gb_s": link}, 4).step(64, 1000, 300, 1, 1)[0]
        for link in (450, 225)
    )
    # 64 sequences and their prompts, 80 layers: twice, two bytes, 3/4 of it there and back.
    sent = (64 + 64 * 1000 / 300) * 80 * 8192 * 2 * 2 * 2 * 3 / 4
    assert slow - fast == pytest.approx(sent / (225e9 * 0.5) - sent / (450e9 * 0.5))


def test_few_tokens_read_few_experts(shared: SimpleNamespace) -> None:
    deepseek = load(shared, "deepseek_v3")
    replica = shared.Replica(deepseek, SHEET, 8)
    active = deepseek.active_parameters
    assert replica.weights_read(1) == pytest.approx(active, rel=0.001)
    assert replica.weights_read(10_000) == pytest.approx(671e9 - 129_280 * 7168, rel=0.002)


def test_what_is_larger_than_the_memory_holds_nothing(shared: SimpleNamespace) -> None:
    deepseek = load(shared, "deepseek_v3")
    assert shared.Replica(deepseek, SHEET, 8).holds(1000, 0.9) == 0
    sixteen = shared.Replica(deepseek, SHEET, 16)
    cache = 16 * 80e9 * 0.9 - deepseek.parameters
    assert sixteen.holds(1000, 0.9) == pytest.approx(cache / (61 * 576 * 1000))


def test_a_precision_that_a_device_lacks_is_no_number(shared: SimpleNamespace) -> None:
    llama = load(shared, "llama_3_1_8b")
    assert shared.Replica(llama, SHEET, value_bytes=2).flops == 500e12
    assert shared.Replica(llama, SHEET, value_bytes=1).flops == 1000e12
    assert str(shared.Replica(llama, SHEET, value_bytes=0.5).flops) == "nan"
