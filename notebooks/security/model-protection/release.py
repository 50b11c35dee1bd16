"""Sign, verify, encrypt and decrypt a release of weights."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

# Signed along, so that this key's signatures mean nothing anywhere else.
PURPOSE = b"model-release-v1\n"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CHUNK, TAG = 1 << 20, 16  # bytes


class Refused(Exception):
    """The release must not be loaded."""


def digests(folder: Path) -> dict[str, str]:
    result = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():  # it could be pointed elsewhere after the check
            raise Refused(f"symbolic link: {path.name}")
        if path.is_dir() or path in (folder / MANIFEST, folder / SIGNATURE):
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        result[path.relative_to(folder).as_posix()] = digest
    return result


def sign(folder: Path, name: str, version: int, key: Ed25519PrivateKey) -> None:
    claim = {"name": name, "version": version, "files": digests(folder)}
    manifest = json.dumps(claim, indent=1).encode()
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(key.sign(PURPOSE + manifest))


def check_list(folder: Path) -> None:
    """What `sha256sum --check` does with a list that lies beside the weights."""
    found = digests(folder)
    listed = json.loads((folder / MANIFEST).read_text())["files"]
    if changed := [path for path in listed if found.get(path) != listed[path]]:
        raise Refused(f"digest of {changed[0]}")


# --8<-- [start:verify]
def verify(folder: Path, name: str, newest_seen: int, key: Ed25519PublicKey) -> dict:
    manifest = (folder / MANIFEST).read_bytes()
    try:  # first of all: nothing unsigned may be parsed, let alone believed
        key.verify((folder / SIGNATURE).read_bytes(), PURPOSE + manifest)
    except InvalidSignature:
        raise Refused("bad signature") from None
    claim = json.loads(manifest)
    if claim["name"] != name:
        raise Refused(f"signed for {claim['name']}")
    if claim["version"] < newest_seen:
        raise Refused(f"version {claim['version']} replayed")
    found = digests(folder)
    if differing := sorted(found.keys() ^ claim["files"].keys()):
        raise Refused(f"unlisted or missing: {differing[0]}")
    if changed := [path for path in found if found[path] != claim["files"][path]]:
        raise Refused(f"digest of {changed[0]}")
    return claim


# --8<-- [end:verify]


# --8<-- [start:chunks]
def chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """(nonce, chunk): the nonce counts the chunks and marks the last one.

    So no chunk can be moved, dropped or appended."""
    index, chunk = 0, file.read(size)
    while True:
        following = file.read(size)
        yield index.to_bytes(11, "big") + bytes([not following]), chunk
        if not following:
            return
        index, chunk = index + 1, following


def encrypt(source: Path, target: Path, master: bytes, context: bytes) -> None:
    # A new key for each file: counted nonces cannot repeat under it.
    data_key = AESGCM.generate_key(256)
    cipher = AESGCM(data_key)
    with source.open("rb") as plain, target.open("wb") as sealed:
        # In production the KMS wraps the key; `master` never leaves it.
        sealed.write(aes_key_wrap(master, data_key))
        for nonce, chunk in chunks(plain, CHUNK):
            sealed.write(cipher.encrypt(nonce, chunk, context))


def decrypt(source: Path, target: Path, master: bytes, context: bytes) -> None:
    """`target` is genuine only once this returns: on an exception, throw it away."""
    with source.open("rb") as sealed, target.open("wb") as plain:
        cipher = AESGCM(aes_key_unwrap(master, sealed.read(40)))
        for nonce, chunk in chunks(sealed, CHUNK + TAG):
            plain.write(cipher.decrypt(nonce, chunk, context))


# --8<-- [end:chunks]
