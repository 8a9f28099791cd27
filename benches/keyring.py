"""Makes a keyring of many certificates, as `gpg --export` would write it: keyring.py COUNT OUTPUT

Each is an Ed25519 key with one user id and a Curve25519 subkey to encrypt to, with both self-signatures (RFC 9580,
version 4 packets as GnuPG 2.2 writes them). gpg itself would take half an hour over some thousands. Prints the
fingerprint of the one in the middle.
"""

import hashlib
import struct
import sys
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519, CURVE25519 = bytes.fromhex("092b06010401da470f01"), bytes.fromhex("0a2b060104019755010501")
EDDSA, ECDH, SHA256 = 22, 18, 8
DAY = 86_400


def packet(tag, body):
    """An OpenPGP packet with a length of the new form."""
    length = len(body)
    short = bytes([length]) if length < 192 else struct.pack(">H", length - 192 + (192 << 8))
    return bytes([0xC0 | tag]) + short + body


def mpi(number):
    """A number with its length in bits."""
    number = number.lstrip(b"\0")
    return struct.pack(">H", len(number) * 8 - (8 - number[0].bit_length())) + number


def subpacket(kind, body):
    return bytes([len(body) + 1, kind]) + body


def raw(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def hashed_key(body):
    """A key as signatures and fingerprints hash it."""
    return b"\x99" + struct.pack(">H", len(body)) + body


def signature(key, fingerprint, kind, made, flags, over):
    """A self-signature of `kind` over what is hashed before it, for two years."""
    subpackets = subpacket(33, b"\4" + fingerprint) + subpacket(2, struct.pack(">I", made)) + subpacket(27, bytes([flags]))
    subpackets += subpacket(9, struct.pack(">I", 730 * DAY))
    head = bytes([4, kind, EDDSA, SHA256]) + struct.pack(">H", len(subpackets)) + subpackets
    digest = hashlib.sha256(over + head + b"\4\xff" + struct.pack(">I", len(head))).digest()
    signed = key.sign(digest)
    issuer = subpacket(16, fingerprint[-8:])
    return packet(2, head + struct.pack(">H", len(issuer)) + issuer + digest[:2] + mpi(signed[:32]) + mpi(signed[32:]))


def certificate(number, made):
    """One certificate and its fingerprint."""
    key, subkey = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    stamp = b"\4" + struct.pack(">I", made)
    primary = stamp + bytes([EDDSA]) + ED25519 + mpi(b"\x40" + raw(key))
    secondary = stamp + bytes([ECDH]) + CURVE25519 + mpi(b"\x40" + raw(subkey)) + bytes([3, 1, 8, 7])
    fingerprint = hashlib.sha1(hashed_key(primary)).digest()
    name = f"Bench {number:05} <bench{number:05}@example.org>".encode()
    over = hashed_key(primary)
    named = signature(key, fingerprint, 0x13, made, 0x03, over + b"\xb4" + struct.pack(">I", len(name)) + name)
    bound = signature(key, fingerprint, 0x18, made, 0x0C, over + hashed_key(secondary))
    return packet(6, primary) + packet(13, name) + named + packet(14, secondary) + bound, fingerprint


def main():
    count, output = int(sys.argv[1]), sys.argv[2]
    made = int(time.time()) - DAY
    certificates = [certificate(number, made) for number in range(count)]
    with open(output, "wb") as out:
        out.writelines(bytes for bytes, _ in certificates)
    print(certificates[count // 2][1].hex().upper())


if __name__ == "__main__":
    main()
