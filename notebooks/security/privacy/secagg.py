"""Secure aggregation after Bonawitz et al. (2017), for parties that follow the protocol."""

import secrets

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PRIME = 2**521 - 1  # the field of the shares: larger than any 32-byte secret
SCALE = 2**16  # fixed point


def words(values: np.ndarray) -> np.ndarray:
    """Fixed point modulo 2**32, so that masks can hide a value completely."""
    return np.round(values * SCALE).astype(np.int64).astype(np.uint32)


def real(total: np.ndarray) -> np.ndarray:
    return total.astype(np.int32) / SCALE


# --8<-- [start:masks]
def stream(seed: bytes, size: int) -> np.ndarray:
    """`size` pseudo-random words modulo 2**32; a seed is used for one round only."""
    cipher = Cipher(algorithms.ChaCha20(seed, nonce=bytes(16)), mode=None)
    return np.frombuffer(cipher.encryptor().update(bytes(4 * size)), dtype="<u4")


def pair_mask(
    mine: X25519PrivateKey, theirs: X25519PublicKey, me: int, peer: int, size: int
) -> np.ndarray:
    """The mask of two clients: the lower number adds it, the higher subtracts it."""
    info = b"round 1, mask %d-%d" % (min(me, peer), max(me, peer))
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    mask = stream(kdf.derive(mine.exchange(theirs)), size)
    return mask if me < peer else -mask


class Client:
    """Takes part in one round: fresh keys and a fresh mask of its own."""

    def __init__(self, number: int):
        self.number = number
        self.key = X25519PrivateKey.generate()
        self.own_seed = secrets.token_bytes(32)

    def upload(
        self, values: np.ndarray, public: dict[int, X25519PublicKey]
    ) -> np.ndarray:
        masked = words(values) + stream(self.own_seed, values.size)
        for peer in public.keys() - {self.number}:
            masked += pair_mask(self.key, public[peer], self.number, peer, values.size)
        return masked


# --8<-- [end:masks]


def split(secret: bytes, holders: range, threshold: int) -> dict[int, int]:
    """Shamir shares, one for each holder: any `threshold` give the secret, fewer nothing."""
    poly = [int.from_bytes(secret)]
    poly += [secrets.randbelow(PRIME) for _ in range(threshold - 1)]
    return {
        h: sum(a * pow(h + 1, i, PRIME) for i, a in enumerate(poly)) % PRIME
        for h in holders
    }


def join(shares: dict[int, int]) -> bytes:
    """Lagrange interpolation at zero."""
    total = 0
    for h, share in shares.items():
        top = bottom = 1
        for other in shares.keys() - {h}:
            top, bottom = top * (other + 1) % PRIME, bottom * (other - h) % PRIME
        total += share * top * pow(bottom, -1, PRIME)
    return (total % PRIME).to_bytes(66)[-32:]
