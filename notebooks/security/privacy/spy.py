"""One tenant asks what another has asked, and reads how much of it the engine had cached."""

import httpx

CODE = "86"


def cached(http: httpx.Client, prompt: str) -> int:
    body = {"prompt": prompt, "max_tokens": 1}
    usage = http.post("/v1/completions", json=body).json()["usage"]
    return usage["prompt_tokens_details"]["cached_tokens"]


def hits(
    http: httpx.Client, known: str, victim: str = "", spy: str = "", digits="0123456789"
) -> list[int]:
    """Tokens found for each next digit, the victim having asked before each guess."""
    counts = []
    for digit in digits:
        cached(http, f"{victim}PIN {CODE}")
        counts.append(cached(http, f"{spy}PIN {known}{digit}!"))
    return counts
