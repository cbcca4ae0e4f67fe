"""CURVE keys as files: a folder for each party with its secret key and its public one, which others may have.

It must not know sockets. Keys are libzmq's: Curve25519, written in Z85 (ZeroMQ RFC 32), 40 characters each.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zmq

from hilbench.errors import LinkError
from hilbench.files import regular

SECRET = "secret.key"
SUFFIX = ".pub"
N_CHARACTERS = 40
MAKE_ANEW = (
    "; it is damaged: put a copy of it back, or make a pair with `hilbench keys new` in another folder, since no key "
    "is ever overwritten, and copy its public key to the other side"
)


class Pair(NamedTuple):
    public: bytes
    secret: bytes


class DeviceKeys(NamedTuple):
    """What a device needs: its own keys, and the public keys of the plants that may connect."""

    pair: Pair
    clients: frozenset[bytes]


def new(folder: Path) -> Path:
    """Write a new pair into `folder`; the file of the public key, named after the folder.

    Raises LinkError, and writes nothing, when a key is there already.
    """
    public_key, secret_key = zmq.curve_keypair()
    try:
        secret, public = folder / SECRET, folder / f"{folder.resolve().name}{SUFFIX}"
        for file in (secret, public):
            if file.exists() or file.is_symlink():
                raise LinkError(f"{file} is there already, and no key is ever overwritten; choose another folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _write(secret, secret_key, 0o600), _write(public, public_key, 0o644):
            pass
    except LinkError:  # is an OSError too
        raise
    except OSError as error:
        raise LinkError(f"cannot write keys to {folder}: {error.strerror}") from None
    return public


def read_pair(folder: str | Path) -> Pair:
    """The keys in a folder that `new` wrote. Raises LinkError; a secret that other users can read is none."""
    file = Path(folder) / SECRET
    left = sorted(Path(folder).glob(f"*{SUFFIX}"))  # without its secret it stands in the way of a new pair
    absent = MAKE_ANEW.replace("damaged", f"gone, and {left[0].name} alone is no pair") if left else ""
    secret = _read(file, absent or f"; `hilbench keys new {folder}` makes a pair", MAKE_ANEW)
    if file.stat().st_mode & 0o077:
        raise LinkError(f"{file}: other users of this machine can read it; `chmod 600 {file}`, or make new keys")
    return Pair(_public_of(secret, file, MAKE_ANEW), secret)


def read_public(file: str | Path) -> bytes:
    """A public key. Raises LinkError."""
    file = Path(file)
    if file.name == SECRET:
        raise LinkError(f"{file}: this is a secret key, which never leaves its machine; give the *{SUFFIX} instead")
    remedy = f"; allowed: the file *{SUFFIX} of the other side"
    key = _read(file, remedy, f"{remedy}, copied anew")
    _public_of(key, file, f"{remedy}, copied anew")  # libzmq takes any 32 bytes for a key, but not any 40 characters
    return key


def read_device(folder: str | Path, clients: str | Path) -> DeviceKeys:
    """A device's keys, and those of the plants that may connect. Raises LinkError when there are none.

    Parameters
    ----------
    folder : str or Path
        Of the device's own pair.
    clients : str or Path
        Of the plants' public keys.
    """
    files = sorted(Path(clients).glob(f"*{SUFFIX}"))
    if not files:
        raise LinkError(f"{clients}: no public key (*{SUFFIX}) is there, so no plant could connect; copy theirs to it")
    return DeviceKeys(read_pair(folder), frozenset(map(read_public, files)))


@contextlib.contextmanager
def _write(file: Path, key: bytes, mode: int) -> Iterator[None]:
    """Write a key. What fails here, or meanwhile, removes it: half a pair would stand in the way of the next one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(key + b"\n")
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _read(file: Path, absent: str, damaged: str) -> bytes:
    """The key in a file; the remedies are for one that cannot be opened, and for one that is no key."""
    try:
        with regular(file).open("rb") as opened:
            text = opened.read(1024).strip()
    except OSError as error:
        raise LinkError(f"{file}: {error.strerror}{absent}") from None
    if len(text) != N_CHARACTERS:
        raise LinkError(f"{file}: found {len(text)} characters; a key has {N_CHARACTERS}{damaged}")
    return text


def _public_of(secret: bytes, file: Path, damaged: str) -> bytes:
    try:
        return zmq.curve_public(secret)
    except (zmq.ZMQError, ValueError):
        text = f"found characters that Z85 does not have; a key has {N_CHARACTERS} of them"
        raise LinkError(f"{file}: {text}{damaged}") from None
