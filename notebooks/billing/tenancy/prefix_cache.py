"""The prefix cache of an engine: whole blocks, found by a hash of their tokens and all before them."""

import hashlib

BLOCK = 16


class PrefixCache:
    def __init__(self) -> None:
        self.blocks: set[bytes] = set()

    def prefill(self, tokens: list[str], salt: str = "") -> int:
        """Tokens found in the cache; the others are computed, and kept if they fill a block.

        As in vLLM, the salt is part of the hash of the first block, and so of all that follow.
        """
        cached, parent = 0, hashlib.sha256(salt.encode()).digest()
        for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
            block = "\0".join(tokens[start : start + BLOCK])
            parent = hashlib.sha256(parent + block.encode()).digest()
            if parent in self.blocks:
                cached += BLOCK
            self.blocks.add(parent)
        return cached


TEMPLATE = [f"form{i}" for i in range(40 * BLOCK)]  # printed in the product's manual
DIAGNOSES = [f"D{i}" for i in range(300)]
DOSES = [f"{i} mg" for i in range(200)]


def letter(*fields: str) -> list[str]:
    """The form with some fields filled in, each a block long."""
    return [*TEMPLATE, *(word for field in fields for word in [field] * BLOCK)]


def guess(cache: PrefixCache, salt: str) -> tuple[list[str], int]:
    """The fields of somebody else's letter, a block at a time, and how many probes that took."""
    known, probes = [], 0
    for candidates in (DIAGNOSES, DOSES):
        for candidate in candidates:
            probe, probes = letter(*known, candidate), probes + 1
            if cache.prefill(probe, salt) == len(probe):  # its own cached_tokens tell
                known.append(candidate)
                break
    return known, probes
