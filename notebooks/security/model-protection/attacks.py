"""What somebody who can write to the model store, but holds no signing key, may do to a release."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import release
import torch
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from safetensors.torch import save_file


def publish(name: str, versions: tuple[int, ...]) -> Ed25519PublicKey:
    """Releases of two shards each, and one of another model; the private key stays here."""
    key = Ed25519PrivateKey.generate()
    releases = [(f"v{version}", name, version) for version in versions]
    for folder, model, version in (*releases, ("other", "draft-1b", 9)):
        Path(folder).mkdir()
        for shard in ("model-1.safetensors", "model-2.safetensors"):
            save_file({"weight": torch.randn(256, 256)}, Path(folder, shard))
        release.sign(Path(folder), model, version, key)
    return key.public_key()


def untouched(d: Path) -> None:
    """The release as it was signed."""


def flip_bit(d: Path) -> None:
    data = bytearray((d / "model-1.safetensors").read_bytes())
    data[5000] ^= 1
    (d / "model-1.safetensors").write_bytes(data)


def swap_files(d: Path) -> None:
    (d / "model-1.safetensors").rename(d / "x")
    (d / "model-2.safetensors").rename(d / "model-1.safetensors")
    (d / "x").rename(d / "model-2.safetensors")


def add_code(d: Path) -> None:
    (d / "modeling_custom.py").write_text("print('runs with trust_remote_code=True')")


def remove_file(d: Path) -> None:
    (d / "model-2.safetensors").unlink()


def link_elsewhere(d: Path) -> None:
    # The same bytes, until the link is pointed at others.
    (d / "model-2.safetensors").unlink()
    (d / "model-2.safetensors").symlink_to(Path("v2/model-2.safetensors").absolute())


def replay_older(d: Path) -> None:
    # Every file and signature of version 1 is genuine.
    shutil.copytree("v1", d, dirs_exist_ok=True)


def other_model(d: Path) -> None:
    # Signed with the right key, for another model.
    shutil.copytree("other", d, dirs_exist_ok=True)


def change_and_relist(d: Path) -> None:
    flip_bit(d)
    # New digests, signed with the attacker's own key.
    release.sign(d, "chat-7b", 2, Ed25519PrivateKey.generate())


FILES = (flip_bit, swap_files, add_code, remove_file, link_elsewhere)
ALL = (untouched, *FILES, replay_older, other_model, change_and_relist)


def damage(stored: bytes, context: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Encrypted files that must not decrypt, each with the name it is passed off under."""
    size, header = release.CHUNK + release.TAG, stored[:40]
    pieces = [stored[i : i + size] for i in range(40, len(stored), size)]
    exchanged = header + b"".join([pieces[1], pieces[0], *pieces[2:]])
    return {
        "one bit flipped": (stored[:-1] + bytes([stored[-1] ^ 1]), context),
        "last chunk cut off": (header + b"".join(pieces[:-1]), context),
        "two chunks exchanged": (exchanged, context),
        "passed off as version 3": (stored, context.replace(b"/2/", b"/3/")),
        "passed off as draft-1b": (stored, context.replace(b"chat-7b", b"draft-1b")),
        "passed off as adapter.bin": (stored, context.replace(b"weights", b"adapter")),
    }


MARKER = Path("code-ran.txt")


class Payload:
    """A pickle may name any importable function; loading calls it."""

    def __init__(self, function: Callable, argument: str):
        self.call = function, (argument,)

    def __reduce__(self) -> tuple:
        return self.call


def leave_marker(text: str) -> int:
    return MARKER.write_text(text)


def pickles() -> list[str]:
    contents = {
        "clean.pt": {},
        "eval.pt": {"x": Payload(eval, "open('code-ran.txt', 'w').close()")},
        "other-function.pt": {"x": Payload(leave_marker, "ran")},
    }
    for file, extra in contents.items():
        torch.save({"weight": torch.ones(4)} | extra, file)
    return list(contents)


def load(file: str, weights_only: bool) -> str:
    MARKER.unlink(missing_ok=True)
    try:
        torch.load(file, weights_only=weights_only)
    except pickle.UnpicklingError:
        return "refused"
    return "code ran" if MARKER.exists() else "loaded"


def verdict(check: Callable, *arguments) -> str:
    try:
        check(*arguments)
    except release.Refused as reason:
        return f"refused: {reason}"
    except InvalidTag:
        return "refused: authentication tag"
    except ValueError as reason:
        return "refused: no tensor" if "torch.Tensor" in str(reason) else str(reason)
    return "accepted"


def try_damaged(
    sealed: Path, opened: Path, master: bytes, context: bytes
) -> dict[str, str]:
    verdicts = {}
    for case, (data, claimed) in damage(sealed.read_bytes(), context).items():
        sealed.write_bytes(data)
        verdicts[case] = verdict(release.decrypt, sealed, opened, master, claimed)
    return verdicts
