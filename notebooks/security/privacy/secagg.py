"""Pairwise masks of secure aggregation, after Bonawitz et al. (2017)."""

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
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
def mask(keys: list[X25519PrivateKey], me: int, peer: int, size: int) -> np.ndarray:
    """Two clients agree on one mask: the lower number adds it, the higher subtracts it."""
    info = b"round 1, mask %d-%d" % (min(me, peer), max(me, peer))
    shared = keys[me].exchange(keys[peer].public_key())
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared)
    stream = Cipher(algorithms.ChaCha20(seed, nonce=bytes(16)), mode=None).encryptor()
    drawn = np.frombuffer(stream.update(bytes(4 * size)), dtype="<u4")
    return drawn if me < peer else -drawn


def upload(values: np.ndarray, keys: list[X25519PrivateKey], me: int) -> np.ndarray:
    peers = [peer for peer in range(len(keys)) if peer != me]
    return words(values) + sum(mask(keys, me, peer, values.size) for peer in peers)


# --8<-- [end:masks]
