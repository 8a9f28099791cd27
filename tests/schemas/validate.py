"""Holds a JSON document against a JSON Schema: validate.py SCHEMA DOCUMENT. Prints every error, ends with 1 if any."""

import json
import sys

import jsonschema

schema, document = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:])
validator = jsonschema.validators.validator_for(schema)
validator.check_schema(schema)
errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator(schema).iter_errors(document)]
print("\n".join(errors), end="")
sys.exit(bool(errors))
