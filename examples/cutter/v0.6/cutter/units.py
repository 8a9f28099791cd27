"""Cutting a document into information units, in memory.

A unit is one numbered clause: a paragraph that starts with its address in section signs, as in ``§ 4.2.1 The text``.
Headings and everything else give context and are not units.
"""

import hashlib
import re
from dataclasses import dataclass

CLAUSE = re.compile(r"^§ (?P<address>[0-9]+(?:\.[0-9]+)*) (?P<body>\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """One addressable unit of one document version."""

    document_id: str
    address: str
    body: str

    @property
    def unit_id(self):
        return f"{self.document_id}/{self.address}"

    @property
    def sha256(self):
        return hashlib.sha256(self.body.encode("utf-8")).hexdigest()


def cut(document_id, content):
    """The units of a document in the order of the text."""
    units = [Unit(document_id, found["address"], found["body"].strip()) for found in CLAUSE.finditer(content)]
    addresses = [unit.address for unit in units]
    doubled = sorted({address for address in addresses if addresses.count(address) > 1})
    if doubled:
        raise ValueError(f"{document_id}: the address {doubled[0]} is given twice")
    return units
