"""A payment notice in the form of WeChat Pay's API v3, signed with a key of ours."""

import base64
import json
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256


def notice(
    private_key: RSAPrivateKey,
    serial: str,
    api_v3_key: bytes,
    payment: dict,
    now: float,
) -> tuple[bytes, dict[str, str]]:
    nonce, context = "fdasflkja484", "transaction"
    plain = json.dumps(payment).encode()
    sealed = AESGCM(api_v3_key).encrypt(nonce.encode(), plain, context.encode())
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": context,
        "nonce": nonce,
    }
    kind = {"event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource"}
    body = json.dumps({"id": "EV-1", **kind, "resource": resource}).encode()
    sent_at, random = str(int(now)), "EcTbHDOsVbCFvX4v"
    signed = f"{sent_at}\n{random}\n".encode() + body + b"\n"
    signature = private_key.sign(signed, PKCS1v15(), SHA256())
    return body, {
        "Wechatpay-Timestamp": sent_at,
        "Wechatpay-Nonce": random,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
    }


def spoiled(
    body: bytes, headers: dict[str, str], now: float
) -> Iterator[tuple[str, bytes, dict[str, str], float]]:
    """The same notice in four ways that must be refused."""
    yield "one byte altered", body.replace(b"SUCCESS", b"SUCCESs"), headers, now
    yield "key not known", body, headers | {"Wechatpay-Serial": "other"}, now
    probe = {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abc+def"}
    yield "signature probe", body, headers | probe, now
    yield "replayed after 10 minutes", body, headers, now + 600
