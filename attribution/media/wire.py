"""The pipe between the two processes: four bytes of length, a JSON header of at most MOST_HEADER_BYTES, raw bytes whose number
the reader works out from the header. No pickle: neither side can make the other run or build anything."""

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

MOST_HEADER_BYTES = 256 * 1024


class WireError(Exception):
    """What came through the pipe is not a message (or the pipe was closed in the middle of one)."""


def send(pipe: BinaryIO, header: Mapping[str, Any]) -> None:
    """Write one header; the caller writes the raw bytes that it promises."""
    body = json.dumps(header, allow_nan=False, separators=(",", ":")).encode("ascii")
    send_bytes(pipe, struct.pack(">I", len(body)) + body)


def send_bytes(pipe: BinaryIO, data: Any) -> None:
    """Write all of a buffer to an unbuffered pipe."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[pipe.write(rest) :]


def receive(pipe: BinaryIO) -> dict[str, Any] | None:
    """Read one header, None when the other side closed the pipe before it. Raises WireError."""
    length = bytearray(4)
    got = _fill(pipe, memoryview(length))
    if got == 0:
        return None
    (size,) = struct.unpack(">I", length)
    if got < 4 or size > MOST_HEADER_BYTES:
        raise WireError("no length, or one beyond the limit")
    body = bytearray(size)
    receive_into(pipe, memoryview(body))
    try:
        header = json.loads(body.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise WireError("a header that is no object")
    return header


def receive_into(pipe: BinaryIO, target: memoryview) -> None:
    """Fill `target` from the pipe; raises WireError when the pipe ends before that."""
    if _fill(pipe, target) < target.nbytes:
        raise WireError("the pipe was closed in the middle of a message")


def _fill(pipe: BinaryIO, target: memoryview) -> int:
    target, got = target.cast("B"), 0
    while got < len(target) and (count := pipe.readinto(target[got:])):  # type: ignore[attr-defined]
        got += count
    return got


def _no_constant(name: str) -> None:
    raise WireError(f"{name} in a header")
