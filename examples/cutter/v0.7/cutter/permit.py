"""The permit: what allows one live run, one revert or one rehearsal, on one host, for some minutes.

A permit is a file of JSON with a detached OpenPGP signature beside it, ``<file>.asc``. ``etc/cutter.d/permit.toml`` pins
whose signature counts. The switch on the disk stays off: a permit that holds opens it for this process alone.
"""

import json
import secrets
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Iterator

from cutter import config, switch
from cutter.errors import PermitError
from cutter.registry import address_of
from cutter.treedigest import tree_digest

FORMAT = "cutgate-permit/1"

#: Every field of a permit. One that lacks any, or has others, is refused.
FIELDS = frozenset(
    "allowance expires_utc format host issued_utc kind nonce payload_sha256 registry rehearsal review_decision_id"
    " run_id target tree_digest".split()
)


@dataclass(frozen=True)
class Permit:
    """A permit whose signature was good when it was read."""

    path: Path
    fields: Dict[str, Any]
    #: What is kept of the file and its signature, so that neither can be exchanged during a run.
    sealed: bytes
    #: What it must be for.
    wanted: Dict[str, Any] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        """Whether it is for a rehearsal on a scratch copy."""
        return self.fields["rehearsal"] is True

    def validate(self) -> None:
        """Asks everything again. Called before each phase."""
        if read_both(self.path) != self.sealed:
            raise PermitError(f"{self.path} is not the permit that this run began with")
        if self.fields["allowance"] != "explicit":
            raise PermitError(f"{self.path} has no allowance: explicit")
        for name, value in self.wanted.items():
            if self.fields[name] != value:
                raise PermitError(f"{self.path} has {name} {self.fields[name]!r}, here it is {value!r}")
        found = tree_digest()
        if self.fields["tree_digest"] != found:
            raise PermitError(f"{self.path} is for the tree {self.fields['tree_digest']}, this is {found}")
        now = datetime.now(timezone.utc)
        if not instant(self.fields["issued_utc"]) <= now < instant(self.fields["expires_utc"]):
            raise PermitError(f"{self.path} holds until {self.fields['expires_utc']}, it is {now:%Y-%m-%dT%H:%M:%SZ}")


def load(name: str, settings: config.Config, kind: str, run_id: str, target: str, registry: str) -> Permit:
    """Reads a permit, verifies its signature, and validates it once."""
    path = Path(name)
    sealed = read_both(path)
    verify(sealed, settings)
    try:
        fields = json.loads(sealed.partition(b"\0")[0])
    except ValueError as error:
        raise PermitError(f"{path} is not JSON: {error}") from error
    if not isinstance(fields, dict) or set(fields) != FIELDS or fields["format"] != FORMAT:
        raise PermitError(f"{path} is not a permit of the format {FORMAT}")
    wanted = {
        "kind": kind,
        "run_id": run_id,
        "target": target,
        "host": settings.host,
        "registry": address_of(registry),
    }
    permit = Permit(path, fields, sealed, wanted)
    permit.validate()
    return permit


@contextmanager
def execution_enabled_by(permit: Permit) -> Iterator[None]:
    """Opens the switch for this process, as long as the permit's work lasts."""
    permit.validate()
    switch.__execution_enabled__ = True
    try:
        yield
    finally:
        switch.__execution_enabled__ = False


def read_both(path: Path) -> bytes:
    """The permit and its signature."""
    try:
        return path.read_bytes() + b"\0" + path.with_name(path.name + ".asc").read_bytes()
    except OSError as error:
        raise PermitError(f"cannot read the permit {error.filename}: {error.strerror}") from error


def verify(sealed: bytes, settings: config.Config) -> None:
    """Whether the pinned key signed these bytes. Asked of ``gpg``, with a keyring that holds this one key."""
    path = settings.root / "etc" / "cutter.d" / "permit.toml"
    try:
        pins = config.parse(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise PermitError(f"cannot read whose permits count, {path}: {error.strerror}") from error
    signer, certificate = str(pins.get("permit.signer", "")), str(pins.get("permit.certificate", ""))
    if not signer or not certificate:
        raise PermitError(f"{path} pins no signer of permits")
    text, _, signature = sealed.partition(b"\0")
    with tempfile.TemporaryDirectory(prefix="permit-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--no-autostart"]
        beside = Path(home) / secrets.token_hex(8)
        beside.write_bytes(signature)
        key = settings.root / certificate.lstrip("/")
        done = subprocess.run([*gpg, "--import", str(key)], capture_output=True, check=False)
        if done.returncode != 0:
            raise PermitError(f"cannot use the certificate {key}: {done.stderr.decode(errors='replace').strip()}")
        verified = subprocess.run(
            [*gpg, "--status-fd", "1", "--verify", str(beside), "-"], input=text, capture_output=True, check=False
        )
    # gpg ends with 0 for keys that have expired since: what counts are the lines of its status.
    said = [line.split()[1:] for line in verified.stdout.decode(errors="replace").splitlines()]
    words = {line[0] for line in said if line}
    good = any(line[0] == "VALIDSIG" and signer in (line[1], line[-1]) for line in said if len(line) > 1)
    if verified.returncode != 0 or not good or "GOODSIG" not in words:
        raise PermitError(f"the permit is not signed by {signer}: it allows nothing")


def instant(text: Any) -> datetime:
    """RFC 3339 in UTC, to the second."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except (TypeError, ValueError) as error:
        raise PermitError(f"{text!r} in the permit is no instant") from error
