"""The digests that tie a cut together: one over all units, and the dot pair that joins it to the document."""

import hashlib
from typing import Iterable, Tuple


def manifest_digest(units: Iterable[Tuple[str, str]]) -> str:
    """One digest over all units, given as (unit id, SHA-256 of the body), whatever their order."""
    lines = sorted(f"{sha256}  {unit_id}\n" for unit_id, sha256 in units)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def pair_digest(left: str, right: str) -> str:
    """The dot pair: both digests joined by a dot, hashed."""
    return hashlib.sha256(f"{left}.{right}".encode("ascii")).hexdigest()
