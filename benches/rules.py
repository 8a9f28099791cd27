"""Evaluates every expression of a file over one document: rules.py EXPRESSIONS INPUT

A peer of cutgate in `make bench`. Each line is a Python expression over `facts`; it prints how many hold.
"""

import json
import sys

with open(sys.argv[2]) as file:
    facts = json.load(file)
with open(sys.argv[1]) as file:
    rules = [compile(line, f"{sys.argv[1]}:{number}", "eval") for number, line in enumerate(file, 1)]
print(sum(bool(eval(rule, {"facts": facts})) for rule in rules), "hold")
