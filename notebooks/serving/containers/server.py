"""A model server small enough to read: its probes, queue and shutdown are the subject, not its model."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel

VOCAB = 512
# Stands in for one decode step on the accelerator.
STEP_S = float(os.environ.get("STEP_S", "0.02"))
MAX_WAITING = int(os.environ.get("MAX_WAITING", "8"))
BLOCK_LOOP = os.environ.get("BLOCK_LOOP") == "1"  # a mistake, kept to be measured

weights: np.ndarray | None = None
slot = asyncio.Semaphore(1)
counts = {"in_flight": 0, "waiting": 0, "accepted_total": 0, "rejected_total": 0}


def read_weights(path: str) -> np.ndarray:
    with open(path, "rb") as file:  # a mounted file, or a pipe from the object store
        return np.frombuffer(file.read(), dtype=np.float32).reshape(VOCAB, VOCAB)


async def load() -> None:
    global weights
    weights = await asyncio.to_thread(read_weights, os.environ["WEIGHTS"])


@asynccontextmanager
async def lifespan(app: FastAPI):
    # The port opens at once, so that probes get an answer.
    loading = asyncio.create_task(load())
    yield
    loading.cancel()


app = FastAPI(lifespan=lifespan)


class Prompt(BaseModel):
    token: int
    max_tokens: int


async def decode(token: int, steps: int) -> list[int]:
    tokens = []
    for _ in range(steps):
        token = int(weights[token].argmax())
        tokens.append(token)
        if BLOCK_LOOP:
            time.sleep(STEP_S)
        else:
            await asyncio.sleep(STEP_S)
    return tokens


@app.get("/livez")
async def livez() -> dict:
    return {"alive": True}  # the event loop turns: no model, no queue, no database


@app.get("/readyz")
async def readyz() -> dict:
    if weights is None:
        raise HTTPException(503, "loading weights")
    return {"ready": True}


@app.get("/livez-deep")  # a mistake, kept to be measured: liveness that asks the model
async def livez_deep() -> dict:
    await readyz()
    async with slot:
        return {"token": (await decode(0, 1))[0]}


@app.post("/generate")
async def generate(prompt: Prompt) -> dict:
    await readyz()
    # A bounded queue: refuse early, do not die late.
    if counts["waiting"] >= MAX_WAITING:
        counts["rejected_total"] += 1
        raise HTTPException(429, "queue full", headers={"Retry-After": "1"})
    for name in ("in_flight", "waiting", "accepted_total"):
        counts[name] += 1
    async with slot:
        counts["waiting"] -= 1
        try:
            return {"tokens": await decode(prompt.token, prompt.max_tokens)}
        finally:
            counts["in_flight"] -= 1


@app.get("/metrics")
async def metrics() -> Response:
    lines = [f"server_requests_{name} {value}" for name, value in counts.items()]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
