"""Writes the files of torch.save by hand, so that they can also be wrong."""

import pickle
import struct
import zipfile
from pathlib import Path

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


def value(x) -> bytes:
    """The opcodes of plain data."""
    return pickle.dumps(x, 2)[2:-1]


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def row(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + row(*arguments) + b"R"


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(value(k) + v for k, v in items.items()) + b"u"


def storage(kind: str, key: str, size, *, legacy: bool = False) -> bytes:
    parts = [value("storage"), name("torch", f"{kind}Storage"), value(key)]
    parts += [value("cpu"), value(size)] + [value(None)] * legacy
    return row(*parts) + b"Q"


def tensor(stored: bytes, shape: tuple, stride: tuple, offset=0) -> bytes:
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        stored,
        *map(value, (offset, shape, stride, False)),
        call(name("collections", "OrderedDict")),
    )


def write_zip(path: Path, body: bytes, storages: dict[str, bytes], **parts: bytes):
    entries = {f"data/{key}": raw for key, raw in storages.items()} | parts
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("any/data.pkl", b"\x80\x02" + body + b".")
        for entry, content in entries.items():
            archive.writestr(f"any/{entry}", content)
    return path


def write_legacy(path: Path, body: bytes, storages: dict[str, tuple[int, bytes]]):
    """Storages come as (announced size, bytes)."""
    head = [pickle.dumps(x, 2) for x in (MAGIC_NUMBER, 1001, {"little_endian": True})]
    tail = [struct.pack("<q", size) + raw for size, raw in storages.values()]
    keys = pickle.dumps(list(storages), 2)
    path.write_bytes(b"".join([*head, b"\x80\x02" + body + b".", keys, *tail]))
    return path
