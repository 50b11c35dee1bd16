"""One streamed call to the engine, as a gateway makes it."""

import json

from language_model import Engine

PROMPT = (
    "You answer questions about bills, briefly. " * 20 + "What is a prepaid credit?"
)

CALLS = [("new", None), ("same", None), ("cut", 5), ("cut", None)]
"""The call, and after how many pieces of text its stream is cut off. The last is a retry."""


def stream(engine: Engine, cut_after: int | None) -> dict[str, int] | None:
    """The tokens that the engine says it used; None if the stream ended before it said so.

    The connection is closed after `cut_after` pieces of text.
    """
    body = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 16}
    body |= {"temperature": 0, "cache_prompt": True}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    pieces = 0
    with engine.post("/v1/chat/completions", body) as answer:
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line.removeprefix(b"data: "))
            if said := chunk.get("usage"):
                cached = said["prompt_tokens_details"]["cached_tokens"]
                return {
                    "input": said["prompt_tokens"],
                    "cached": cached,
                    "output": said["completion_tokens"],
                }
            pieces += bool(chunk["choices"][0]["delta"].get("content"))
            if pieces == cut_after:
                return None
    return None
