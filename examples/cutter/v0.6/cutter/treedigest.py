"""The digest of the deployed tree, which ties a record to the code that made it.

It is the SHA-256 over one line ``<sha256>  <path>`` for every file, sorted by the bytes of the path, byte-code aside:
the same lines as in the manifest beside the tree.
"""

import hashlib
import os
from pathlib import Path


def tree():
    """The folder that was deployed."""
    return Path(__file__).resolve().parents[1]


def lines(root):
    """The manifest lines of a tree."""
    found = []
    for folder, folders, names in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name != b"__pycache__"]
        for name in names:
            if name.endswith(b".pyc"):
                continue
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            found.append((os.path.relpath(path, os.fsencode(root)), digest))
    return [digest.encode("ascii") + b"  " + path + b"\n" for path, digest in sorted(found)]


def tree_digest(root=None):
    """The digest of the tree at ``root``, or of the one that this module belongs to."""
    return hashlib.sha256(b"".join(lines(tree() if root is None else root))).hexdigest()
