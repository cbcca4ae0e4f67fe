"""Devices that will not do: what is wrong with one, and what its user can do about it.

It must not know links.
"""

from __future__ import annotations

from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.wire import Code, Sizes
from hilbench.errors import LinkError


def check_backend(address: str, found: str, wanted: str) -> None:
    """Raise LinkError for a device that runs another backend.

    Parameters
    ----------
    address : str
        Where the device is.
    found, wanted : str
        The backend that it runs, and the scenario's.
    """
    if found != wanted:
        raise LinkError(
            f"{address}: this device runs the backend {found!r}; allowed here: {wanted!r}; "
            f"give --backend.kind {found}, or `hilbench serve --backend {wanted}` there"
        )


def check_built_in(address: str, hello: Hello, sizes: Sizes, program_hash: bytes) -> None:
    """Raise LinkError for a device with another program built in.

    Parameters
    ----------
    address : str
        Where the device is.
    hello : Hello
        What it says of itself.
    sizes : Sizes
        Those of the program that is wanted.
    program_hash : bytes
        Its hash.
    """
    pairs = zip(sizes._fields, hello.sizes, sizes, strict=True)
    other = [f"{name} is {there}, here {here}" for name, there, here in pairs if there != here]
    if hello.program_hash != program_hash:
        other.append(f"its hash is {hello.program_hash.hex()}, here {program_hash.hex()}")
    if other:
        raise LinkError(
            f"{address}: this device has another program built in, and takes no other: {', '.join(other)}; "
            "`hilbench program` prints what to build in"
        )


def refused(address: str, number: int, text: str) -> LinkError:
    """What an ERROR says, as a LinkError.

    Parameters
    ----------
    address : str
        Where the device is.
    number : int
        The ERROR's code, which may be one that this version does not know.
    text : str
        What the device says.
    """
    name = Code(number).name if number in list(Code) else "unknown"
    remedy = "; install the same hilbench on both sides" if number == Code.VERSION else ""
    return LinkError(f"{address}: {text} (error {number}, {name}){remedy}")
