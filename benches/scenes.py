"""Packages to audit, made in a scratch folder: as many files, gates and expressions as a benchmark asks for.

Each function makes one scene below the folder that it is given and returns it. A scene is written the way a user would
write it: an own package file, an own gate for what belongs together, one short report.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess

import database as server

PACKAGE = """\
[package]
macro_id = "bench"
title = "A package to measure"
label = "BENCH"
host = "localhost"
host_label = "this machine"
scheme = "O8"
deployed_label = "none"
gates = [{gates}]

[paths]
tree = "{tree}"

[trust]
keyring = "trusted.pgp"
sovereign = ["89ABCDEF0123456789ABCDEF0123456789ABCDEF"]
sovereign_threshold = 1

[reports.01]
file = "01-checks"
title = "Checks"

[stages.G0]
title = "what is looked at"
report = "01"

[[forbidden]]
id = "secrets-logged"
action = "Log secrets"
basis = "attributable"
proof = "output-scan"
"""

GAP = """
[gaps.GAP-{n}]
title = "what gate {n} asks for"
class = "technical"
owner = "operator"
"""

GATE = """\
id = "{id}"
gap = "GAP-{n}"
stage = "G0"
title = "{title}"
remedy = "Correct {{paths.tree}}."
"""

CHECK = """
[[check]]
id = "{id}"
tier = "essential"
require = '''{require}'''
otherwise = '{otherwise}'
"""

REPORT = """\
# {{ package.label }} Report {{ report.number }}: {{ report.title }}

Result {{ result.letter }} ({{ result.label }}), audit {{ audit.number }} of {{ audit.utc }}.

{% include "checks.md" %}
"""


@dataclasses.dataclass
class Scene:
    """A package, and what its peers read of the same things."""

    folder: pathlib.Path
    gates: list
    peers: dict

    def audit(self, program, reports):
        """The command of a whole audit, which publishes."""
        return [program, "-p", self.folder / "cutgate.toml", "audit", "--out", reports]

    def judge(self, program):
        """The command that judges every gate, prints the states and publishes nothing."""
        return [program, "-p", self.folder / "cutgate.toml", "audit", *(f"--only={gate}" for gate in self.gates)]


def package(folder, tree, gates):
    """Writes a package of gates, each an id with the text behind its head."""
    (folder / "gates").mkdir(parents=True)
    (folder / "templates").mkdir()
    (folder / "templates" / "01.md").write_text(REPORT)
    ids = [id for id, _ in gates]
    text = PACKAGE.format(tree=tree, gates=", ".join(f'"{id}"' for id in ids))
    (folder / "cutgate.toml").write_text(text + "".join(GAP.format(n=n) for n in range(len(ids))))
    for n, (id, body) in enumerate(gates):
        (folder / "gates" / f"{id}.toml").write_text(GATE.format(id=id, n=n, title=f"gate {n} holds") + body)
    return ids


def files(folder, count):
    """`count` files in folders of 100, of which one gate asks kind, owner, group and mode. Two have another mode."""
    tree = folder / "tree"
    names = [f"d{n // 100:03}/f{n:05}" for n in range(count)]
    for n, name in enumerate(names):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o644 if n in (count // 3, count // 2) else 0o640)
    uid, gid = os.getuid(), os.getgid()
    entry = '    {{ path = "{{paths.tree}}/{}", kind = "file", owner = "{}", group = "{}", mode = "0640" }},\n'
    paths = "".join(entry.format(name, uid, gid) for name in names)
    probe = f'\n[probe.state]\nkind = "provisioning"\npaths = [\n{paths}]\n'
    checks = [
        CHECK.format(id="all-there", require="size(state.absent) == 0", otherwise="{size(state.absent)} absent"),
        CHECK.format(
            id="all-fit",
            require="state.paths.all(p, p.exists && p.matches)",
            otherwise="{size(state.unmatched)} not as they must be: {state.unmatched}",
        ),
    ]
    gates = package(folder / "package", tree, [("files-fit", probe + "".join(checks))])
    listed = folder / "files.txt"
    listed.write_text("".join(f"0640 {uid} {gid} {tree / name}\n" for name in names))
    return Scene(folder / "package", gates, {"list": listed, "tree": tree, "names": names})


def gates(folder, count):
    """`count` gates, each with an own probe for one key of one configuration file of `count` keys."""
    folder.mkdir(parents=True)
    facts = folder / "facts.env"
    facts.write_text("".join(f"KEY_{n:05}=value-{n}\n" for n in range(count)))
    facts.chmod(0o644)

    def gate(n):
        key = f"KEY_{n:05}"
        probe = f'\n[probe.facts]\nkind = "config"\nfile = "{{paths.tree}}"\nformat = "env"\nkeys = [{{ key = "{key}", kind = "text" }}]\n'
        require = f'facts.keys["{key}"].value == "value-{n}"'
        otherwise = f'{key} is {{facts.keys["{key}"].value}}'
        return probe + CHECK.format(id="value-fits", require=require, otherwise=otherwise)

    ids = package(folder / "package", facts, [(f"gate-{n:05}", gate(n)) for n in range(count)])
    return Scene(folder / "package", ids, {"facts": facts, "keys": [(f"KEY_{n:05}", f"value-{n}") for n in range(count)]})


# What each expression asks, in three languages; {key} is one of KEYS keys, {most} another number in each.
KEYS = 20
CEL = 'facts.keys["{key}"].present && facts.keys["{key}"].value == "{value}" && size(facts.keys["{key}"].value) < {most}'
REGO = 'rule_{n} if {{ input.keys["{key}"].present; input.keys["{key}"].value == "{value}"; count(input.keys["{key}"].value) < {most} }}\n'
PYTHON = 'facts["keys"]["{key}"]["present"] and facts["keys"]["{key}"]["value"] == "{value}" and len(facts["keys"]["{key}"]["value"]) < {most}\n'


def expressions(folder, count):
    """`count` expressions over the same facts, at most 100 in a gate, with the same ones for the peers."""
    folder.mkdir(parents=True)
    facts = folder / "facts.env"
    pairs = [(f"KEY_{k:02}", f"value-{k}") for k in range(KEYS)]
    facts.write_text("".join(f"{key}={value}\n" for key, value in pairs))
    facts.chmod(0o644)
    keys = "".join(f'    {{ key = "{key}", kind = "text" }},\n' for key, _ in pairs)
    probe = f'\n[probe.facts]\nkind = "config"\nfile = "{{paths.tree}}"\nformat = "env"\nkeys = [\n{keys}]\n'

    def filled(form, n):
        key, value = pairs[n % KEYS]
        return form.format(n=n, key=key, value=value, most=100 + n)

    def check(n):
        return CHECK.format(id=f"check-{n}", require=filled(CEL, n), otherwise=f"check {n} does not hold")

    starts = range(0, count, 100)
    bodies = [
        (f"gate-{start // 100:03}", probe + "".join(check(n) for n in range(start, min(count, start + 100))))
        for start in starts
    ]
    ids = package(folder / "package", facts, bodies)
    data = folder / "facts.json"
    data.write_text(json.dumps({"keys": {key: {"present": True, "value": value} for key, value in pairs}}))
    rego = folder / "rules.rego"
    rego.write_text("package bench\n\nimport rego.v1\n\n" + "".join(filled(REGO, n) for n in range(count)))
    python = folder / "rules.txt"
    python.write_text("".join(filled(PYTHON, n) for n in range(count)))
    return Scene(folder / "package", ids, {"data": data, "rego": rego, "python": python})


# What an administrator would ask of any Debian-like machine: path, kind, mode.
HOST_PATHS = [
    ("/etc/passwd", "file", "0644"),
    ("/etc/group", "file", "0644"),
    ("/etc", "directory", "0755"),
    ("/usr", "directory", "0755"),
    ("/usr/bin", "directory", "0755"),
    ("/var", "directory", "0755"),
    ("/var/lib", "directory", "0755"),
    ("/tmp", "directory", "1777"),
    ("/var/tmp", "directory", "1777"),
    ("/root", "directory", "0700"),
]


def host(folder):
    """Twenty checks of this machine: paths, a configuration file, a database, programs, the host itself."""
    folder.mkdir(parents=True)
    settings = folder / "app.toml"
    settings.write_text('[server]\nport = 8443\nname = "bench"\n\n[limits]\nusers = 50\n')
    settings.chmod(0o640)
    database = folder / "app.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE role(name TEXT PRIMARY KEY, login INTEGER NOT NULL)")
        connection.executemany("INSERT INTO role VALUES (?, ?)", [("owner", 0), ("reader", 1), ("writer", 1)])
    connection.close()
    entry = '    {{ path = "{}", kind = "{}", owner = "root", group = "root", mode = "{}" }},\n'
    paths = "".join(entry.format(*path) for path in HOST_PATHS)
    probes = f"""
[probe.state]
kind = "provisioning"
paths = [
{paths}]

[probe.settings]
kind = "config"
file = "{{paths.tree}}/app.toml"
format = "toml"
keys = [
    {{ key = "server.port", kind = "int" }},
    {{ key = "server.name", kind = "text" }},
    {{ key = "limits.users", kind = "int" }},
]

[probe.database]
kind = "sql"
url = "sqlite:{{paths.tree}}/app.db"

[probe.database.queries.roles]
sql = "SELECT name, login FROM role ORDER BY name"
columns = {{ name = "text", login = "int" }}

[probe.host]
kind = "host"
tools = ["tar", "gzip"]
"""
    requires = [
        *(f'state.paths.exists(p, p.path == "{path}" && p.matches)' for path, _, _ in HOST_PATHS),
        "settings.parsed",
        "!settings.loose",
        'settings.keys["server.port"].value == "8443"',
        'settings.keys["server.name"].value == "bench"',
        "size(settings.missing) == 0",
        "database.rows.roles.size() == 3",
        'database.rows.roles.exists(r, r.name == "reader" && r.login == 1)',
        'database.rows.roles.all(r, r.name != "superuser")',
        "size(host.missing_tools) == 0",
        'host.os.id != ""',
    ]
    checks = [
        CHECK.format(id=f"check-{n}", require=require, otherwise=f"check {n} does not hold")
        for n, require in enumerate(requires)
    ]
    ids = package(folder / "package", folder, [("host-fits", probes + "".join(checks))])
    return Scene(folder / "package", ids, {"settings": settings, "paths": HOST_PATHS, "checks": len(checks)})


def keyring(folder, python, count):
    """A GnuPG home of `count` certificates, which gpg imported, and two packages over it: one judges all of them, one asks
    for the one in the middle."""
    folder.mkdir(parents=True)
    home, keys = folder / "gnupg", folder / "keys.pgp"
    home.mkdir(mode=0o700)
    made = [python, pathlib.Path(__file__).with_name("keyring.py"), str(count), keys]
    wanted = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-autostart"]
    subprocess.run([*gpg, "--import", keys], check=True, stderr=subprocess.DEVNULL)
    probe = '\n[probe.ring]\nkind = "openpgp-keyring"\nhome = "{paths.tree}"\n'
    every = "ring.certs.all(c, c.valid && c.can_encrypt && c.can_encrypt_at_horizon && c.revoked == \"no\")"
    every = CHECK.format(id="all-good", require=f"size(ring.certs) == {count} && {every}", otherwise="not all are good")
    one = f'ring.certs.exists(c, c.fingerprint == "{wanted}" && c.can_encrypt && c.can_encrypt_at_horizon)'
    one = CHECK.format(id="can-encrypt", require=one, otherwise="it cannot encrypt")
    ids = package(folder / "all" / "package", home, [("ring-fits", probe + every)])
    package(folder / "one" / "package", home, [("ring-fits", f'{probe}judge = ["{wanted}"]\n{one}')])
    peers = {"home": home, "keys": keys, "wanted": wanted}
    return Scene(folder / "all" / "package", ids, peers), Scene(folder / "one" / "package", ids, peers)


# Words that knowledge bases are full of; none of them speaks of approval.
PROSE = "the table keeps every entry of a register with its date and its source so that a reader may follow what became of it "


# Signed approvals in a knowledge base: two for each of 25 runs.
APPROVALS = 50


def knowledge(folder, count, approvals=APPROVALS):
    """`count` Markdown documents of 6 kB on the average in folders of 100, of which `approvals` are signed and look like
    approvals and as many speak of one, and a package that asks for both."""
    tree, home = folder / "kb", folder / "gnupg"
    home.mkdir(parents=True, mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
    made = [*gpg, "--passphrase", "", "--quick-generate-key", "sovereign@example.org", "ed25519", "sign", "1y"]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    listed = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True).stdout
    pinned = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    for n in range(count):
        path = tree / f"d{n // 100:04}" / f"page-{n:06}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        # From 1 to 11 kB, so that the mean is 6 kB.
        prose = PROSE * ((1_000 + n * 7_919 % 10_000) // len(PROSE) + 1)
        head = f"---\ntitle: Page {n}\ndate: 2026-01-01\nstatus: current\n---\n\n# Page {n}\n\n"
        lines = "\n".join(prose[at : at + 110] for at in range(0, len(prose), 110))
        if n % (count // approvals) == 7:
            head = f"---\ntitle: Cut {n}\ngate: SG_1_cut_authz\nallowance: explicit\nrun_id: run-{n}\n---\n\n# Approval\n\n"
        if n % (count // approvals) == 11:
            lines += "\nThe sovereign has approved it.\n"
        path.write_text(head + lines)
        if n % (count // approvals) == 7:
            subprocess.run([*gpg, "--armor", "--detach-sign", path], check=True)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    probe = (
        '\n[probe.kb]\nkind = "knowledge-base"\nroot = "{paths.tree}"\nmacro_id = "bench"\n'
        f'keyring = "{home}"\npinned = ["{pinned}"]\nthreshold = 1\n'
    )
    require = f"kb.documents == {count} && size(kb.candidates) == {2 * approvals} && "
    require += f"kb.candidates.filter(c, size(c.signers) == 1).size() == {approvals}"
    check = CHECK.format(id="found", require=require, otherwise="{size(kb.candidates)} found")
    ids = package(folder / "package", tree, [("approvals-found", probe + check)])
    return Scene(folder / "package", ids, {"tree": tree, "home": home})


def database(folder, roles, tables, privileges, rows):
    """A server of its own with many roles, tables and privileges and one table of many rows, and two packages over it: one
    asks for everything, one for the privileges alone."""
    folder.mkdir(parents=True)
    (folder / "cluster").mkdir()
    cluster = server.Cluster(folder / "cluster")
    cluster.fill(roles, tables, privileges, rows)
    ask = f'url = "{cluster.url()}"\ntimeout = "300s"\n'
    principals = f'\n[probe.principals]\nkind = "pg-principals"\n{ask}schemas = ["s"]\n'
    privilege = 'principals.grants.filter(g, g.kind == "table").size()'
    held = f"size(principals.roles) >= {roles} && {privilege} == {privileges}"
    principals += CHECK.format(id="all-held", require=held, otherwise="{size(principals.grants)} grants")
    surface = f'\n[probe.surface]\nkind = "pg-surface"\n{ask}tables = {{ unit = {{ table = "surface.unit" }} }}\n'
    whole = f'surface.tables.unit.content.rows == {rows} && surface.tables.unit.content.digest != ""'
    surface += CHECK.format(id="all-rows", require=whole, otherwise="{surface.tables.unit.content.rows} rows")
    scenes = []
    for name, gates in (("all", [("principals-known", principals), ("surface-known", surface)]), ("one", [("principals-known", principals)])):
        ids = package(folder / name / "package", folder, gates)
        with (folder / name / "package" / "cutgate.toml").open("a") as file:
            file.write('\n[limits]\naudit = "900s"\nprobe = "600s"\n')
        scenes.append(Scene(folder / name / "package", ids, {"cluster": cluster}))
    return scenes


def laboratory(program, folder):
    """The laboratory, and a copy for reading by hand: gpg writes into the home that it lists."""
    own, copy = folder / "own", folder / "copy"
    subprocess.run([program, "demo", own], check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(own, copy, symlinks=True)
    return own, copy
