"""A gateway that lets a few calls through at a time, and where the time of each call went."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pandas as pd
from model_service import Call, ModelService
from opentelemetry import trace

STAGES = {"prefill": "prompt_ms", "decode": "predicted_ms"}  # as llama.cpp names them
LATENCY = "gen_ai.latency.time_in_"  # attributes of a span, as vLLM names them


class Traced(ModelService):
    def __init__(self, engines: list[str], seats: int):
        super().__init__(engines)
        self.seats = asyncio.Semaphore(seats)

    # --8<-- [start:spans]
    async def forward(self, call: Call) -> AsyncGenerator[bytes, None]:
        inside = trace.set_span_in_context(call.span)
        waiting = self.tracer.start_span("queue", inside)
        async with self.seats:
            waiting.end()
            async with aclosing(super().forward(call)) as events:
                async for event in events:
                    if (
                        b'"timings"' in event
                    ):  # the engine's own clock, in the last event
                        spent = json.loads(event.removeprefix(b"data: "))["timings"]
                        for stage, name in STAGES.items():
                            ms = LATENCY + "model_" + stage, spent[name] / 1000
                            call.span.set_attribute(*ms)
                    yield event

    # --8<-- [end:spans]

    def stages(self) -> pd.DataFrame:
        """Seconds by stage of each call, in the order of their ends."""
        queues = {s.context.trace_id: s for s in self.spans() if s.name == "queue"}
        rows = []
        for span in self.spans():
            if span.parent is None:
                queue, spent = queues[span.context.trace_id], span.attributes
                row = {"queue": (queue.end_time - queue.start_time) / 1e9}
                row |= {stage: spent[f"{LATENCY}model_{stage}"] for stage in STAGES}
                whole = (span.end_time - span.start_time) / 1e9
                first = (span.events[0].timestamp - span.start_time) / 1e9
                rows.append(row | {"whole": whole, "first token": first})
        return pd.DataFrame(rows)


async def spent(engine, seats: int, prompts: list[str], tokens: int) -> pd.DataFrame:
    """Stages of calls that are sent at once."""
    service = Traced([engine.address], seats)
    body = {"max_tokens": tokens, "ignore_eos": True, "cache_prompt": False}
    async with service.serving() as client:
        calls = [
            client.post("/v1/completions", json=body | {"prompt": p}) for p in prompts
        ]
        for answer in await asyncio.gather(*calls):
            answer.raise_for_status()
    return service.stages()
