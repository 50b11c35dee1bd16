"""Real text: the docstrings of NumPy, pandas and PyTorch (BSD-3-Clause); near-duplicates in it."""

import inspect
import re
from collections import defaultdict
from itertools import combinations
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

OWNERS = (np.ndarray, pd.DataFrame, pd.Series, pd.Index, torch.Tensor)


def docstrings() -> list[str]:
    found = [
        getattr(owner, name, None) for owner in OWNERS for name in sorted(dir(owner))
    ]
    texts = [thing.__doc__ for thing in found if callable(thing)]
    return [
        inspect.cleandoc(t)
        for t in texts
        if isinstance(t, str) and len(t.split()) >= 30
    ]


def shingles(text: str, n: int = 5) -> np.ndarray:
    """Hashes of the runs of n words."""
    words = re.findall(r"\w+", text.lower())
    runs = (" ".join(words[i : i + n]) for i in range(max(1, len(words) - n + 1)))
    return np.unique([crc32(run.encode()) for run in runs]).astype(np.uint64)


def candidates(sets: list[np.ndarray], buckets: int, rows: int, seed: int) -> set:
    """Pairs of documents whose MinHash signatures agree in all rows of at least one bucket."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 2**63, (2, buckets * rows), dtype=np.uint64)
    signatures = np.array([((s[:, None] * (a | 1) + b) >> 32).min(0) for s in sets])
    pairs = set()
    for bucket in np.split(signatures, buckets, axis=1):
        same = defaultdict(list)
        for document, signature in enumerate(bucket):
            same[signature.tobytes()].append(document)
        for documents in same.values():
            pairs.update(combinations(documents, 2))
    return pairs


def jaccard(x: np.ndarray, y: np.ndarray) -> float:
    both = len(np.intersect1d(x, y, assume_unique=True))
    return both / (len(x) + len(y) - both)


def clusters(pairs: list[tuple[int, int]], documents: int) -> np.ndarray:
    """The number of each document's cluster: who is joined by a chain of pairs."""
    graph = coo_array(
        (np.ones(len(pairs)), tuple(np.transpose(pairs))), (documents, documents)
    )
    return connected_components(graph, directed=False)[1]
