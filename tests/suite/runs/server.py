"""An executor on PostgreSQL, by psql alone: it writes what the cutter writes, and takes it back."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cutter import units
from cutter.manifest import manifest_digest, pair_digest

ARGUMENTS = sys.argv[1:]


def value(name):
    return ARGUMENTS[ARGUMENTS.index(name) + 1]


DATABASE, TARGET, RUN = value("--registry"), value("--target"), value("--run-id")
RUNS = Path(value("--root")) / "var/lib/cutter/runs"
MODE = Path("mode").read_text().strip()
GOVERNANCE = "cutter_governance"


def psql(text):
    """All of it in one transaction, or none."""
    command = ["psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-1", "-f", "-", "-d", DATABASE]
    return subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()


def one(query):
    return json.loads(psql(f"SELECT to_json(found) FROM ({query}) AS found;"))


def pause():
    """Time in which somebody may kill the server."""
    if MODE == "slow":
        time.sleep(0.4)


def row(*values):
    return "(" + ", ".join("'" + str(value).replace("'", "''") + "'" for value in values) + ")"


def dump(path):
    """Encrypted on its way: its plain text is on no disk."""
    source = ["pg_dump", "--no-owner", "--no-privileges", "-w", "-d", DATABASE]
    plain = subprocess.run(source, stdout=subprocess.PIPE, check=True).stdout
    gpg = ["gpg", "--batch", "--quiet", "--trust-model", "always", "--recipient", os.environ["BACKUP_GPG_FPR"]]
    subprocess.run([*gpg, "--output", str(path), "--encrypt"], input=plain, check=True)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{sha256}  {path.name}\n")


def run():
    target = one(f"SELECT * FROM target WHERE id = '{TARGET}'")
    kept = one(f"SELECT run_id, scope, state FROM {GOVERNANCE}.cut_change_set WHERE id = '{target['open_change_set']}'")
    (RUNS / f"{RUN}.undo.json").write_text(json.dumps([target["open_change_set"], kept]))
    with open("starts", "a") as starts:
        starts.write("run \n")
    dump(RUNS / f"{RUN}.dump.gpg")
    pause()
    document, change_set = target["document_id"], target["open_change_set"]
    version = f"document_id = '{document}' AND version = {target['version']}"
    cut = units.cut(document, one(f"SELECT content FROM source_version WHERE {version}")["content"])
    drafts = ", ".join(row(it.unit_id, document, it.address, "draft", change_set, "2026-01-01T00:00:00Z") for it in cut)
    bodies = ", ".join(row(it.unit_id, 1, it.body, it.sha256, "2026-01-01T00:00:00Z") for it in cut)
    psql(f"INSERT INTO information_unit VALUES {drafts}; INSERT INTO unit_version VALUES {bodies};")
    pause()
    if MODE == "fail":
        return 1
    manifest = manifest_digest((it.unit_id, it.sha256) for it in cut)
    pair = pair_digest(target["content_sha256"], manifest)
    psql(f"""
        UPDATE {GOVERNANCE}.cut_change_set SET run_id = '{RUN}', scope = 'live', state = 'recorded' WHERE id = '{change_set}';
        INSERT INTO {GOVERNANCE}.manifest_envelope VALUES {row(change_set, manifest, len(cut), "2026-01-01T00:00:00Z")};
        INSERT INTO {GOVERNANCE}.review_decision
            VALUES {row(value("--review-decision-id"), change_set, "accept", "sovereign", "2026-01-01T00:00:00Z")};
        INSERT INTO {GOVERNANCE}.dot_pair_signature VALUES {row(change_set, target["content_sha256"], manifest, pair)};
        INSERT INTO {GOVERNANCE}.verify_result (id, change_set_id, outcome, units, manifest_sha256, verified_utc)
            SELECT max(id) + 1, '{change_set}', 'PASS', {len(cut)}, '{manifest}', now() FROM {GOVERNANCE}.verify_result;
        UPDATE information_unit SET state = 'enacted' WHERE change_set_id = '{change_set}';
    """)
    pause()
    return 0


def revert():
    kept = RUNS / f"{RUN}.undo.json"
    change_set, before = json.loads(kept.read_text())
    mine = f"change_set_id = '{change_set}'"
    if one(f"SELECT count(*) AS n FROM information_unit WHERE {mine} AND state = 'enacted'")["n"]:
        return 8
    psql(f"""
        DELETE FROM unit_version WHERE unit_id IN (SELECT id FROM information_unit WHERE {mine});
        DELETE FROM information_unit WHERE {mine};
        UPDATE {GOVERNANCE}.cut_change_set SET scope = '{before["scope"]}', state = '{before["state"]}',
            run_id = {"NULL" if before["run_id"] is None else row(before["run_id"])} WHERE id = '{change_set}';
    """)
    for path in RUNS.glob(f"{RUN}.*"):
        path.unlink()
    return 0


sys.exit(revert() if "revert" in ARGUMENTS else run())
