"""A payment notice in the form of WeChat Pay's API v3: signed with a key of ours, and opened."""

import base64
import json
from collections.abc import Iterator, Mapping

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256


class BadSignature(Exception):
    pass


PAID = {"out_trade_no": "p1", "amount": {"total": 2_000, "currency": "CNY"}}  # fen


# --8<-- [start:open]
def open_notice(
    body: bytes,
    headers: Mapping[str, str],
    public_keys: Mapping[str, RSAPublicKey],
    api_v3_key: bytes,
    now: float,
) -> dict:
    """Verify, then decrypt; or raise BadSignature."""
    sent_at = headers["Wechatpay-Timestamp"]
    signed = f"{sent_at}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
    try:
        key = public_keys[headers["Wechatpay-Serial"]]
        signature = base64.b64decode(headers["Wechatpay-Signature"], validate=True)
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except (KeyError, ValueError, InvalidSignature):  # the probe is no base64
        raise BadSignature(headers["Wechatpay-Serial"]) from None
    if abs(now - int(sent_at)) > 300:
        raise BadSignature("a replay, or our clock is wrong")
    box = json.loads(body)["resource"]
    nonce, context = box["nonce"].encode(), box["associated_data"].encode()
    ciphertext = base64.b64decode(box["ciphertext"])
    return json.loads(AESGCM(api_v3_key).decrypt(nonce, ciphertext, context))
    # --8<-- [end:open]


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
    at = body.index(b'ciphertext": "') + 20  # within it: decrypting would fail too
    altered = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    yield "one byte altered", altered, headers, now
    yield "key not known", body, headers | {"Wechatpay-Serial": "other"}, now
    probe = {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abc+def"}
    yield "signature probe", body, headers | probe, now
    yield "replayed after 10 minutes", body, headers, now + 600


def trial(now: float) -> tuple[dict, list[str]]:
    """What the genuine notice holds, and which spoiled ones were refused."""
    private_key = generate_private_key(65537, 2048)  # stands for WeChat Pay's own
    keys, secret = {"PUB_KEY_ID_1": private_key.public_key()}, b"0123456789abcdef" * 2
    genuine = notice(private_key, "PUB_KEY_ID_1", secret, PAID, now)
    refused = []
    for case, body, headers, at in spoiled(*genuine, now):
        try:
            open_notice(body, headers, keys, secret, at)
        except BadSignature:
            refused.append(case)
        except (ValueError, InvalidTag):  # it broke, which is no refusal
            continue
    return open_notice(*genuine, keys, secret, now), refused
