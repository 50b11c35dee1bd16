"""What a step of the real engine costs."""

import asyncio
import time

import httpx
from language_model import Engine


async def cpu_ms(engine: Engine, prompts: list[str], tokens: int) -> float:
    """Processor time, not the clock: a busy neighbour adds little to it."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        began = time.process_time()
        body = {"n_predict": tokens, "ignore_eos": True, "cache_prompt": False}
        url = f"{engine.address}/completion"
        calls = [client.post(url, json=body | {"prompt": p}) for p in prompts]
        answers = [answer.json() for answer in await asyncio.gather(*calls)]
        spent = time.process_time() - began
    assert sum(a["tokens_predicted"] for a in answers) == tokens * len(prompts)
    return 1000 * spent
