"""The service that notebooks share, before engines in processes of their own."""

from __future__ import annotations

from tests.run.conftest import Runner

START = """\
import asyncio, json
from engine_process import EngineProcess
from model_service import ModelService, Refused

ask = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 40, "temperature": 0}
CHAT = "/v1/chat/completions"
"""
ANSWERS = """\
with EngineProcess(slots=2, context=1024) as engine:
    service = ModelService([engine.address])
    async with service.serving() as client:
        whole = (await client.post(CHAT, json=ask | {"max_tokens": 5})).json()
        async with client.stream("POST", CHAT, json=ask | {"max_tokens": 5, "stream": True}) as it:
            lines = [line async for line in it.aiter_lines() if line]
            kind = it.headers["content-type"]
        bad = await client.post(CHAT, json={"messages": "no list"})
        metrics = (await client.get("/metrics")).text
events = [json.loads(line[6:]) for line in lines[:-1]]
streamed = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
same = streamed == whole["choices"][0]["message"]["content"]
last, error, status = lines[-1], bad.json()["error"]["type"], bad.status_code
tokens = [call.completion_tokens for call in service.calls]
counted = 'requests_total{status="200"} 2.0' in metrics
timed = "gen_ai_server_time_to_first_token_seconds_count 2.0" in metrics
usage, reason = whole["usage"]["completion_tokens"], whole["choices"][0]["finish_reason"]
parents = {span.name: span.parent is not None for span in service.spans()}
traced = parents == {"engine": True, "chat": False}
left = service.active.collect()[0].samples[0].value
assert tokens == [5, 5, 0]
"""
LEAVING = """\
with EngineProcess(slots=2, context=1024) as engine:
    service = ModelService([engine.address])

    async def idle():
        while service.active.collect()[0].samples[0].value:
            await asyncio.sleep(0.01)
        while (counts := engine.metrics())["requests_processing"]:
            await asyncio.sleep(0.01)
        return counts["tokens_predicted_total"]

    long = ask | {"max_tokens": 300, "ignore_eos": True}
    async with service.serving() as client:
        async with client.stream("POST", CHAT, json=long | {"stream": True}) as it:
            async for line in it.aiter_lines():
                break
        streamed = await idle()
        task = asyncio.create_task(client.post(CHAT, json=long))
        while not engine.metrics()["requests_processing"]:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        plain = await idle() - streamed
statuses = [call.status for call in service.calls]
cut = streamed < 250 and plain < 250
assert statuses == [499, 499]
"""
DYING = """\
service = ModelService([])
service.pick = lambda call: engine.address
engine = EngineProcess(slots=1, context=1024)
async with service.serving() as client:
    long = ask | {"max_tokens": 300, "stream": True, "ignore_eos": True}
    async with client.stream("POST", CHAT, json=long) as it:
        lines = []
        async for line in it.aiter_lines():
            lines += [line] if line else []
            if len(lines) == 3:
                engine.kill()
    dead = await client.post(CHAT, json=ask)
    service.admit = lambda call: (_ for _ in ()).throw(Refused(429, "quota", "too many", 1.2))
    refused = await client.post(CHAT, json=ask)
engine.stop()
code = json.loads(lines[-1][6:])["error"]["code"]
statuses = [call.status for call in service.calls]
wait, kind = refused.headers["retry-after"], refused.json()["error"]["type"]
status = dead.status_code
assert statuses == [502, 502, 429]
"""
FROZEN = """\
import httpx

with EngineProcess(slots=1, context=256) as engine:
    engine.freeze()
    try:
        httpx.get(engine.address + "/health", timeout=0.3, trust_env=False)
        hung = False
    except httpx.ReadTimeout:
        hung = True
    engine.thaw()
    health = httpx.get(engine.address + "/health", timeout=30, trust_env=False).status_code
try:
    EngineProcess(slots=1, nonsense=2)
    said = ""
except RuntimeError as error:
    said = str(error)
assert hung and health == 200
"""


def test_answers_are_forwarded_counted_and_traced(cells: Runner) -> None:
    values = cells(START + ANSWERS).values
    assert str(values["kind"]).startswith("text/event-stream")
    assert values["last"] == "data: [DONE]"
    assert (values["same"], values["counted"], values["timed"], values["traced"]) == (True,) * 4
    assert values["status"] in range(400, 600) and values["error"]
    assert (values["left"], values["usage"], values["reason"]) == (0, 5, "length")


def test_who_leaves_stops_the_engine(cells: Runner) -> None:
    assert cells(START + LEAVING).values["cut"] is True


def test_a_dead_engine_is_told_by_status_or_in_the_stream(cells: Runner) -> None:
    values = cells(START + DYING).values
    assert (values["code"], values["status"]) == ("engine_unreachable", 502)
    assert (values["wait"], values["kind"]) == ("2", "rate_limit_error")


def test_an_engine_hangs_goes_on_and_says_why_it_did_not_start(cells: Runner) -> None:
    assert "status 1" in str(cells(START + FROZEN).values["said"])
