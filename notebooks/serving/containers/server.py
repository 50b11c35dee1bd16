"""What the container runs: the engine behind an HTTP server, as vLLM has it.

The port opens when the engine is ready. SIGTERM closes it, and aborts what still runs
after --shutdown-timeout seconds; the default is 0.
"""

import argparse
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


# --8<-- [start:probes]
@asynccontextmanager
async def lifespan(app: Starlette):
    global client
    with Engine(slots=options.max_num_seqs) as engine:  # returns when it is loaded
        client = httpx.AsyncClient(base_url=engine.address, timeout=60, trust_env=False)
        async with client:
            yield


async def health(request: Request) -> Response:
    """Does the engine answer at all? No token is generated."""
    return Response(status_code=(await client.get("/health")).status_code)


async def health_generate(request: Request) -> Response:
    """Can it generate a token? Waits like any other request."""
    one = {"prompt": "Hi", "n_predict": 1}
    return Response(
        status_code=(await client.post("/completion", json=one)).status_code
    )


# --8<-- [end:probes]
async def completions(request: Request) -> StreamingResponse:
    body = await request.body()

    async def relay():
        async with client.stream("POST", "/v1/completions", content=body) as answer:
            async for part in answer.aiter_raw():
                yield part

    return StreamingResponse(relay(), media_type="text/event-stream")


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/health_generate", health_generate),
        Route("/v1/completions", completions, methods=["POST"]),
    ],
    lifespan=lifespan,
)
if __name__ == "__main__":
    uvicorn.run(
        app,
        port=options.port,
        log_level="error",
        timeout_graceful_shutdown=options.shutdown_timeout,
    )
