"""A model service in small: a gateway before engines that speaks the OpenAI API.

Here stands what all pages need of it: forwarding, streams, cancelling, errors, metrics, spans. What
a page is about (whom to admit, where to send, when to try again, what to keep of a call) overrides
`admit`, `pick`, `forward` or `finished`.

Metrics have the names of OpenTelemetry's conventions for generative AI, as Prometheus writes them;
errors have OpenAI's form.
"""

import asyncio
import itertools
import json
import math
import socket
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Found = TypeVar("Found")

LOCAL: dict[str, Any] = {
    "timeout": 60,
    "trust_env": False,  # no proxy stands between
    # A connection a call: the engine closes those that stay idle.
    "limits": httpx.Limits(max_connections=None, max_keepalive_connections=0),
}
"""How a client speaks to this machine."""


class Refused(Exception):
    """A call that gets no answer: an HTTP status, a code that programs read, and a message.

    `retry_after_s` tells the caller when to come back. A status of 4xx is the caller's doing, one
    of 5xx the service's.
    """

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None):
        super().__init__(message)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s

    def body(self) -> dict[str, Any]:
        """In OpenAI's form."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}

    def response(self) -> Response:
        wait = self.retry_after_s
        header = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
        return JSONResponse(self.body(), self.status, header)


@dataclass
class Call:
    """A request on its way, and what has become of it so far. Seconds are of time.perf_counter."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    span: trace.Span = trace.INVALID_SPAN
    arrived_s: float = field(default_factory=time.perf_counter)
    first_s: float | None = None
    ended_s: float | None = None
    status: int = 0
    """Of HTTP; 499 if the caller left, 500 and more also if the stream broke off under a 200."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str | None = None


class ModelService:
    """Listens at `address` within `serving`; `engines` are addresses, `calls` those that ended."""

    def __init__(self, engines: Sequence[str]):
        self.engines = list(engines)
        self.calls: list[Call] = []
        self._turn = itertools.count()
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("model-service")
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("http_server_requests", "answers", ["status"], **options)
        self.active = Gauge("http_server_active_requests", "calls in flight", **options)
        self.duration, self.ttft, self.tpot = (
            Histogram(f"gen_ai_server_{name}_seconds", text, **options)
            for name, text in (
                ("request_duration", "arrival to end"),
                ("time_to_first_token", "arrival to first token"),
                ("time_per_output_token", "mean gap after the first token"),
            )
        )
        self.app = FastAPI()
        for path in ("/v1/chat/completions", "/v1/completions"):
            self.app.post(path)(self._answer)
        self.app.get("/metrics")(lambda: PlainTextResponse(generate_latest(self.registry)))
        self.app.get("/health")(lambda: {"status": "ok"})

    def admit(self, call: Call) -> None:
        """Raise Refused to turn the call away. Here: everybody may come."""

    def pick(self, call: Call) -> str:
        """The address of the engine for the call. Here: in turn."""
        return self.engines[next(self._turn) % len(self.engines)]

    async def forward(self, call: Call) -> AsyncGenerator[bytes, None]:
        """The engine's answer, event by event.

        Raises Refused. What it raises before its first event still gets a status of its own; after
        that who reads a stream has a 200 already.
        """
        async with aclosing(self.ask(self.pick(call), call)) as events:
            async for event in events:
                yield event

    def finished(self, call: Call) -> None:
        """The call has ended, in whatever way: the place to write it down."""

    async def ask(self, engine: str, call: Call) -> AsyncGenerator[bytes, None]:
        """One engine's answer, as `forward`; leaving it early ends the engine's work.

        It is always asked for a stream: llama.cpp goes on with a plain call whose caller has left.
        """
        body = call.body | {"stream": True, "stream_options": {"include_usage": True}}
        inside = trace.set_span_in_context(call.span)
        span = self.tracer.start_span("engine", inside, attributes={"server.address": engine})
        try:
            async with self.client.stream("POST", engine + call.path, json=body) as answer:
                if answer.status_code != 200:
                    raise _refusal(answer.status_code, await answer.aread())
                async for line in answer.aiter_lines():
                    if line:
                        yield line.encode() + b"\n\n"
        except httpx.TimeoutException as error:
            raise Refused(504, "engine_timeout", "the engine did not answer in time") from error
        except httpx.TransportError as error:
            raise Refused(502, "engine_unreachable", "the engine broke off") from error
        finally:
            span.end()

    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, the innermost first."""
        return self._exporter.get_finished_spans()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[httpx.AsyncClient]:
        """Listen on a free port of the loopback; yields a client of it."""
        server = uvicorn.Server(uvicorn.Config(self.app, log_level="error", lifespan="off"))
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            task = asyncio.create_task(server.serve([listener]))
            async with (
                httpx.AsyncClient(**LOCAL) as self.client,
                httpx.AsyncClient(base_url=self.address, **LOCAL) as client,
            ):
                try:
                    yield client
                finally:
                    server.should_exit = True
                    await task

    async def _answer(self, request: Request) -> Response:
        call = Call(request.url.path, await request.json(), request.headers)
        name = f"chat {call.body.get('model', '')}".strip()
        call.span = self.tracer.start_span(name, kind=trace.SpanKind.SERVER)
        self.active.inc()
        events = self._watched(call)
        header = {"X-Request-Id": call.id}
        try:
            if not call.body.get("stream"):
                return JSONResponse(await _unless_gone(request, _gathered(events)), 200, header)
            first = await _unless_gone(request, anext(events))
        except Refused as refused:
            return refused.response()
        except Gone:
            await events.aclose()
            return Response(status_code=499)  # nobody reads it

        async def stream() -> AsyncIterator[bytes]:
            async with aclosing(events):
                yield first
                try:
                    async for event in events:
                        yield event
                except Refused as refused:  # the status has gone out: said in the stream
                    yield f"data: {json.dumps(refused.body())}\n\n".encode()

        return StreamingResponse(stream(), 200, header, "text/event-stream")

    async def _watched(self, call: Call) -> AsyncGenerator[bytes, None]:
        """The events of a call, while what is known of it is written down."""
        call.status = 499  # unless it goes on to its end
        try:
            self.admit(call)
            async with aclosing(self.forward(call)) as events:
                async for event in events:
                    _read(call, event)
                    yield event
            call.status = 200
        except Refused as refused:
            call.status = refused.status
            raise
        finally:
            self._end(call)

    def _end(self, call: Call) -> None:
        call.ended_s = time.perf_counter()
        self.active.dec()
        self.requests.labels(str(call.status)).inc()
        self.duration.observe(call.ended_s - call.arrived_s)
        if call.first_s is not None:
            self.ttft.observe(call.first_s - call.arrived_s)
            if call.completion_tokens > 1:
                self.tpot.observe((call.ended_s - call.first_s) / (call.completion_tokens - 1))
        call.span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.usage.input_tokens": call.prompt_tokens,
                "gen_ai.usage.output_tokens": call.completion_tokens,
                "gen_ai.response.finish_reasons": [call.finish_reason or "none"],
                "http.response.status_code": call.status,
            }
        )
        if call.status >= 500:
            call.span.set_status(trace.StatusCode.ERROR)
        call.span.end()
        self.calls.append(call)
        self.finished(call)


class Gone(Exception):
    """The caller has closed the connection."""


async def _unless_gone(request: Request, work: Awaitable[Found]) -> Found:
    """What `work` returns; cancels it and raises Gone when the caller leaves first."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, leaving = asyncio.ensure_future(work), asyncio.create_task(gone())
    await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        raise Gone
    return task.result()


async def _gathered(events: AsyncIterator[bytes]) -> dict[str, Any]:
    """The answer to a plain call, from the events of a stream."""
    answer: dict[str, Any] = {}
    texts: list[str] = []
    async for said in (_said(event) async for event in events):
        answer |= {name: value for name, value in said.items() if name != "choices"}
        for choice in said.get("choices", []):
            texts.append(_content(choice))
            answer["choices"] = [choice]
    if not answer:
        return answer
    choice, text = answer["choices"][0], "".join(texts)
    if "delta" in choice:
        choice["message"] = {"role": "assistant", "content": text}
        del choice["delta"]
        answer["object"] = "chat.completion"
    else:
        choice["text"] = text
    return answer


def _said(event: bytes) -> dict[str, Any]:
    """What an event says, nothing if it is the last one or a comment."""
    text = event.removeprefix(b"data: ")
    return json.loads(text) if text.startswith(b"{") else {}


def _read(call: Call, event: bytes) -> None:
    """Take from an event what is known of the call by it. Raises Refused if it is an error, which
    engines send under a 200 once a stream has begun."""
    said = _said(event)
    if error := said.get("error"):
        status = error.get("code")
        raise Refused(status if isinstance(status, int) else 500, "engine", str(error["message"]))
    for choice in said.get("choices", []):
        if call.first_s is None and _content(choice):
            call.first_s = time.perf_counter()
            call.span.add_event("first token")
        call.finish_reason = choice.get("finish_reason") or call.finish_reason
    if usage := said.get("usage"):
        call.prompt_tokens = usage["prompt_tokens"]
        call.completion_tokens = usage["completion_tokens"]


def _content(choice: dict[str, Any]) -> str:
    said = choice.get("delta", choice)
    return said.get("content") or said.get("text") or ""


def _refusal(status: int, body: bytes) -> Refused:
    """What the engine refused, under its own status."""
    try:
        error = json.loads(body)["error"]
        return Refused(status, str(error.get("type", "engine")), str(error.get("message")))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Refused(status, "engine", body.decode(errors="replace")[:200])
