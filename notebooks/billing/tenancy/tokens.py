"""OAuth 2.0 access tokens: issued for client credentials (RFC 6749), as JWTs (RFC 9068)."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE, LIFETIME_S = "https://auth.example", "https://api.example", 300


@dataclass(frozen=True)
class Caller:
    tenant: str
    scopes: frozenset[str]


class Issuer:
    """The authorisation server: the only holder of the private key."""

    def __init__(self) -> None:
        self.key, self.kid = rsa.generate_private_key(65537, 2048), "2026-10"
        self.public_keys = {self.kid: self.key.public_key()}
        self.clients: dict[str, tuple[bytes, str, str]] = {}

    def register(self, client: str, secret: str, tenant: str, scope: str) -> None:
        digest = hashlib.sha256(secret.encode()).digest()
        self.clients[client] = (digest, tenant, scope)

    def client_credentials(self, client: str, secret: str) -> str | None:
        """The tenant is the one the client was registered for, never one it asks for."""
        digest, tenant, scope = self.clients.get(client, (b"", "", ""))
        if not hmac.compare_digest(digest, hashlib.sha256(secret.encode()).digest()):
            return None
        return self.sign(sub=client, client_id=client, tenant=tenant, scope=scope)

    def sign(self, typ: str = "at+jwt", **claims: object) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME_S}
        usual |= {"sub": "nobody", "client_id": "nobody", "jti": str(time.time_ns())}
        made = {name: v for name, v in (usual | claims).items() if v is not None}
        headers = {"typ": typ, "kid": self.kid}
        return jwt.encode(made, self.key, "RS256", headers)


CLAIMS = {"require": ["iss", "aud", "exp", "iat", "sub", "client_id", "jti", "tenant"]}


# --8<-- [start:verify]
def verify(token: str, public_keys: dict) -> Caller:
    """Raises jwt.InvalidTokenError unless RFC 9068, section 4, is satisfied."""
    header = jwt.get_unverified_header(token)
    if header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
        raise jwt.InvalidTokenError("not an access token")
    key = public_keys.get(header.get("kid"))  # ours, never one that the token brings
    if key is None:
        raise jwt.InvalidTokenError("unknown key")
    # The algorithm is our choice, not the token's.
    expected = {"audience": AUDIENCE, "issuer": ISSUER}
    claims = jwt.decode(token, key, ["RS256"], CLAIMS, **expected)
    return Caller(claims["tenant"], frozenset(claims.get("scope", "").split()))


# --8<-- [end:verify]


def trusting_verify(token: str, public_keys: dict) -> Caller:
    """The mistakes in one place: the token chooses its algorithm, and no claim is checked."""
    head, body, signature = token.split(".")
    header, claims = json.loads(_decode(head)), json.loads(_decode(body))
    key, signed = public_keys[header["kid"]], f"{head}.{body}".encode()
    if header["alg"] == "HS256":
        if not hmac.compare_digest(_hmac(key, signed), _decode(signature)):
            raise jwt.InvalidTokenError("bad signature")
    elif header["alg"] != "none":
        unchecked = {"verify_aud": False, "verify_exp": False}
        jwt.decode(token, key, [header["alg"]], unchecked)
    return Caller(claims["tenant"], frozenset(claims.get("scope", "").split()))


def forgeries(issuer: Issuer, mine: str, victim: str) -> dict[str, str]:
    """Tokens that a client of tenant `mine` can make or find, most of them for `victim`."""
    scope = {"scope": "documents:read"}
    head, _, signature = issuer.sign(tenant=mine, **scope).split(".")
    now = int(time.time())
    claims = json.loads(_decode(issuer.sign(tenant=victim, **scope).split(".")[1]))
    body = _encode(claims)
    none = _encode({"alg": "none", "typ": "at+jwt", "kid": issuer.kid})
    hs256 = _encode({"alg": "HS256", "typ": "at+jwt", "kid": issuer.kid})
    mac = _hmac(issuer.public_keys[issuer.kid], f"{hs256}.{body}".encode())
    other = Issuer()  # same key id, other key
    return {
        "not a token": "-",
        "alg: none": f"{none}.{body}.",
        "HS256 with the public key as secret": f"{hs256}.{body}.{_base64(mac)}",
        "tenant claim edited, signature kept": f"{head}.{body}.{signature}",
        "signed with a key of my own": other.sign(tenant=victim, **scope),
        "expired an hour ago": issuer.sign(tenant=victim, exp=now - 3600, **scope),
        "without an expiry": issuer.sign(tenant=victim, exp=None, **scope),
        "issued for another audience": issuer.sign(
            tenant=victim, aud="https://other.example", **scope
        ),
        "from another issuer": issuer.sign(
            tenant=victim, iss="https://staging.example", **scope
        ),
        "an ID token, typ: JWT": issuer.sign(typ="JWT", tenant=victim, **scope),
    }


def _hmac(public_key, signed: bytes) -> bytes:
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.digest(pem, signed, "sha256")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encode(part: dict) -> str:
    return _base64(json.dumps(part).encode())


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
