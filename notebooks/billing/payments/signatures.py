"""Who sent these bytes? The schemes of Stripe (shared secret) and of WeChat Pay (public key)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

TOLERANCE = 300  # seconds


class BadSignature(Exception):
    pass


# --8<-- [start:hmac]
def verify(body: bytes, header: str, secrets: Sequence[str], now: float) -> None:
    """Check `t=<time>,v1=<hex>[,v1=<hex>]` over the raw bytes, or raise BadSignature."""
    fields = [field.partition("=") for field in header.split(",")]
    sent_at = next((value for name, _, value in fields if name == "t"), "")
    given = [value.encode() for name, _, value in fields if name == "v1"]
    if not sent_at.isdecimal() or not all(secrets):  # an empty secret signs anything
        raise BadSignature("no time or no secret")
    signed = sent_at.encode() + b"." + body
    wanted = [
        hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        for secret in secrets
    ]
    # While a secret is rotated there may be two on either side.
    if not any(hmac.compare_digest(w, g) for w in wanted for g in given):
        raise BadSignature("not signed with our secret")
    if int(sent_at) < now - TOLERANCE:
        raise BadSignature("a replay, or our clock is wrong")
    # --8<-- [end:hmac]


# --8<-- [start:wechat]
def open_wechat(
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
    if abs(now - int(sent_at)) > TOLERANCE:
        raise BadSignature("a replay, or our clock is wrong")
    box = json.loads(body)["resource"]
    nonce, context = box["nonce"].encode(), box["associated_data"].encode()
    ciphertext = base64.b64decode(box["ciphertext"])
    return json.loads(AESGCM(api_v3_key).decrypt(nonce, ciphertext, context))
    # --8<-- [end:wechat]
