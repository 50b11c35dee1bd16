"""Pairwise masks of secure aggregation, after Bonawitz et al. (2017)."""

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SCALE = 2**16  # fixed point


def words(values: np.ndarray) -> np.ndarray:
    """Fixed point modulo 2**32, so that masks can hide a value completely."""
    return np.round(values * SCALE).astype(np.int64).astype(np.uint32)


def real(total: np.ndarray) -> np.ndarray:
    return total.astype(np.int32) / SCALE


# --8<-- [start:masks]
def mask(
    mine: X25519PrivateKey, theirs: X25519PublicKey, me: int, peer: int, size: int
) -> np.ndarray:
    """Two clients agree on one mask: the lower number adds it, the higher subtracts it."""
    info = b"round 1, mask %d-%d" % (min(me, peer), max(me, peer))
    shared = mine.exchange(theirs)
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared)
    stream = Cipher(algorithms.ChaCha20(seed, nonce=bytes(16)), mode=None).encryptor()
    drawn = np.frombuffer(stream.update(bytes(4 * size)), dtype="<u4")
    return drawn if me < peer else -drawn


def upload(
    values: np.ndarray, mine: X25519PrivateKey, public: list[X25519PublicKey], me: int
) -> np.ndarray:
    masks = [
        mask(mine, theirs, me, peer, values.size)
        for peer, theirs in enumerate(public)
        if peer != me
    ]
    return words(values) + sum(masks)


# --8<-- [end:masks]
