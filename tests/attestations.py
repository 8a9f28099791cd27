"""What others make of an attested audit: attestations.py FOLDER PUBLIC_KEY

Verifies the envelopes with securesystemslib, reads the statements with in-toto-attestation, compares the subjects with
the files, and works out the ledger's Merkle root (RFC 6962) and the note's key by themselves. Prints what they say as
JSON; ends with an exception where anything does not hold.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature, SSlibKey


def statement(folder, name, key):
    """The predicate's type and the predicate of one envelope."""
    envelope = Envelope.from_dict(json.loads((folder / name).read_text()))
    assert list(envelope.verify([key], 1)) == [key.keyid]
    assert envelope.payload_type == "application/vnd.in-toto+json"
    message = json_format.Parse(envelope.payload, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    subjects = {subject.name: subject.digest["sha256"] for subject in message.subject}
    attested = {path.name for path in folder.iterdir()} - {"readiness.intoto.json", "test-result.intoto.json"}
    attested = {name for name in attested if not name.endswith(".asc")}
    assert set(subjects) == attested, subjects
    for name, digest in subjects.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    return message.predicate_type, json.loads(envelope.payload)["predicate"]


def root(lines):
    """RFC 6962, section 2.1, as it is written."""
    if len(lines) == 1:
        return hashlib.sha256(b"\0" + lines[0]).digest()
    split = 1
    while split * 2 < len(lines):
        split *= 2
    return hashlib.sha256(b"\1" + root(lines[:split]) + root(lines[split:])).digest()


def checkpoint(reports, public, key):
    """The number of lines that the checkpoint is over."""
    text, signature = (reports / "checkpoint").read_text().split("\n\n")
    mark, name, signed = signature.strip().split(" ")
    origin, size, head = text.split("\n")
    assert mark == "\N{EM DASH}" and name == origin
    signed = base64.b64decode(signed, validate=True)
    raw = public.public_bytes_raw()
    assert signed[:4] == hashlib.sha256(name.encode() + b"\n\1" + raw).digest()[:4]
    message = (text + "\n").encode()
    public.verify(signed[4:], message)
    key.verify_signature(Signature(key.keyid, signed[4:].hex()), message)
    lines = (reports / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    assert origin == "cutgate-ledger/" + hashlib.sha256(lines[0]).hexdigest()
    assert base64.b64decode(head) == root(lines[: int(size)])
    return int(size)


def main():
    folder = pathlib.Path(sys.argv[1])
    public = load_pem_public_key(pathlib.Path(sys.argv[2]).read_bytes())
    key = SSlibKey.from_crypto(public)
    kind, readiness = statement(folder, "readiness.intoto.json", key)
    test_kind, test_result = statement(folder, "test-result.intoto.json", key)
    parsed = json_format.ParseDict(test_result, test_result_pb2.TestResult())
    print(
        json.dumps(
            {
                "keyid": key.keyid,
                "kind": kind,
                "readiness": readiness,
                "test_kind": test_kind,
                "result": parsed.result,
                "passed": list(parsed.passed_tests),
                "warned": list(parsed.warned_tests),
                "failed": list(parsed.failed_tests),
                "configuration": {item.name: item.digest["sha256"] for item in parsed.configuration},
                "lines": checkpoint(folder.parent, public, key),
            }
        )
    )


if __name__ == "__main__":
    main()
