"""Parses every nth file of a tree with Python's own `ast`, and counts the comparisons with `Mode.LIVE` by `is`."""

import ast
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
sys.setrecursionlimit(10_000)
count = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py"))[:: int(sys.argv[2])]:
    try:
        nodes = ast.walk(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError, RecursionError):
        continue
    for node in nodes:
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is):
            other = node.comparators[0]
            count += isinstance(other, ast.Attribute) and other.attr == "LIVE"
print(f"{count} comparisons")
