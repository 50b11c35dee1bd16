"""The parts of secure aggregation after Bonawitz et al. (2017), for parties that follow the protocol."""

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


# --8<-- [start:masks]
def stream(seed: bytes, size: int) -> np.ndarray:
    """`size` pseudo-random words modulo 2**32; a seed is used for one round only."""
    cipher = Cipher(algorithms.ChaCha20(seed, nonce=bytes(16)), mode=None).encryptor()
    return np.frombuffer(cipher.update(bytes(4 * size)), dtype="<u4")


def pair_mask(
    mine: X25519PrivateKey, theirs: X25519PublicKey, me: int, peer: int, size: int
) -> np.ndarray:
    """The mask two clients share: the lower number adds it, the higher subtracts it."""
    info = b"round 1, mask %d-%d" % (min(me, peer), max(me, peer))
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
        mine.exchange(theirs)
    )
    return stream(seed, size) if me < peer else -stream(seed, size)


def split(secret: bytes, holders: range, threshold: int) -> dict[int, int]:
    """Shamir shares, one for each holder: any `threshold` of them give the secret, fewer say nothing."""
    poly = [int.from_bytes(secret)] + [
        secrets.randbelow(PRIME) for _ in range(threshold - 1)
    ]
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


# --8<-- [end:masks]
