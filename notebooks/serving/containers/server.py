"""What the container runs: the engine behind an HTTP server that follows vLLM.

The port opens when the engine is ready. After SIGTERM it stays open: a new request is answered
with finish_reason "abort"; those that run may finish within --shutdown-timeout seconds (default 0),
and are then aborted in the same way (vLLM sends no abort when that time is over).
"""

import argparse
import time
from contextlib import asynccontextmanager

import httpx
import uvicorn
from language_model import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=8000)
parser.add_argument("--max-num-seqs", type=int, default=2)
parser.add_argument("--shutdown-timeout", type=int, default=0)
options = parser.parse_args()
client: httpx.AsyncClient  # to the engine
running: set[object] = set()
drain_ends = float("inf")  # set by SIGTERM


@asynccontextmanager
async def lifespan(app: Starlette):
    global client
    with Engine(slots=options.max_num_seqs) as engine:  # returns when it is loaded
        client = httpx.AsyncClient(base_url=engine.address, timeout=60, trust_env=False)
        async with client:
            yield


# --8<-- [start:probes]
async def health(request: Request) -> Response:
    """Does the engine answer at all? No token is generated."""
    return Response(status_code=(await client.get("/health")).status_code)


async def one_token(request: Request) -> Response:
    """A probe of one's own: it generates a token, and waits like any other request."""
    one = {"prompt": "Hi", "n_predict": 1}
    answer = await client.post("/completion", json=one)
    return Response(status_code=answer.status_code)


# --8<-- [end:probes]
ABORTED = (
    'data: {"choices": [{"text": "", "finish_reason": "abort"}]}\n\ndata: [DONE]\n\n'
)


async def relay(body: bytes):
    me = object()
    running.add(me)
    try:
        async with client.stream("POST", "/v1/completions", content=body) as answer:
            async for line in answer.aiter_lines():
                if time.monotonic() >= drain_ends:
                    yield ABORTED
                    return
                yield line + "\n"
    finally:
        running.remove(me)


async def refused():
    yield ABORTED


async def completions(request: Request) -> StreamingResponse:
    draining = drain_ends < float("inf")
    parts = refused() if draining else relay(await request.body())
    return StreamingResponse(parts, media_type="text/event-stream")


class Server(uvicorn.Server):
    """Stops when nothing runs any more, or when the drain has lasted long enough."""

    def handle_exit(self, sig, frame) -> None:
        global drain_ends
        drain_ends = time.monotonic() + options.shutdown_timeout

    async def on_tick(self, counter: int) -> bool:
        over = drain_ends < float("inf") and not running
        return over or time.monotonic() >= drain_ends or await super().on_tick(counter)


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/one_token", one_token),
        Route("/v1/completions", completions, methods=["POST"]),
    ],
    lifespan=lifespan,
)
if __name__ == "__main__":
    Server(uvicorn.Config(app, port=options.port, log_level="error")).run()
