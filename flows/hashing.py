"""The hash by which files are known."""

from __future__ import annotations

import hashlib
from typing import BinaryIO


def sha256_of(file: BinaryIO) -> str:
    """Hexadecimal SHA-256 of a seekable file, which stands at its start again afterwards."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
