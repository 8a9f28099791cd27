"""What `make bench` measures, in the order of the page.

To add a comparison, write a function here that returns it, and name the function in ENTRIES: our command, the peers'
commands, how often, what is aimed at, and a sentence about what limits it. A new kind of scene is a function in
scenes.py, a new peer one in peers.py.
"""

import dataclasses
import shutil
import sys

import code_tree
import peers
import scenes
from measure import Command

FILES, TESTINFRA_FILES, GATES, KEYS, DOCUMENTS = 10_000, 200, 500, 5_000, (10_000, 100_000)
COUNTS = (100, 1_000, 10_000)
ROLES, TABLES, PRIVILEGES, ROWS = 200, 2_000, 100_000, 10_000_000


@dataclasses.dataclass
class Target:
    """What is aimed at: `measured` takes our `Taken` and the peers', and gives what is shown and whether it is met."""

    words: str
    measured: object


@dataclasses.dataclass
class Entry:
    """A comparison: our command beside others."""

    name: str
    ours: Command
    peers: list
    runs: int
    targets: list = dataclasses.field(default_factory=list)
    limits: str = ""


@dataclasses.dataclass
class Series:
    """Commands that do the same for several counts; what counts is the time for each one more."""

    name: str
    counts: tuple
    # Name and a function from the count to the command; ours first.
    sides: list
    runs: int
    # The most that one more may cost between the last two counts, as a multiple of what it costs between the first two.
    flat: float
    limits: str = ""


def at_most_ms(limit):
    """Our median wall time."""
    return Target(f"at most {limit} ms", lambda ours, _: (f"{ours.seconds * 1e3:.1f} ms", ours.seconds * 1e3 <= limit))


def at_most_mb(limit):
    """Our peak memory."""
    return Target(f"at most {limit} MB resident", lambda ours, _: (f"{ours.peak_mb:.1f} MB", ours.peak_mb <= limit))


def at_most_times(limit, peer, which=0):
    """Our time as a multiple of that of a peer, which is the first."""

    def measured(ours, others):
        ratio = ours.each / others[which].each
        return f"{ratio:.2f}×", ratio <= limit

    return Target(f"at most {limit}× {peer}", measured)


def times_faster(times, index, peer):
    """How many times as long the peer at `index` takes."""

    def measured(ours, others):
        ratio = others[index].each / ours.each
        return f"{ratio:.1f}×", ratio >= times

    return Target(f"at least {times}× faster than {peer}", measured)


def fresh(folder):
    """Removes the reports of the run before."""
    return lambda: shutil.rmtree(folder, ignore_errors=True)


def in_testinfra(test):
    """pytest without its cache, so that it leaves nothing behind."""
    return [peers.testinfra(), "-m", "pytest", "-q", "-p", "no:cacheprovider", test]


def start_up(bench):
    """What every command pays."""
    return [
        Entry(
            "start-up: `--version`",
            Command([bench.program, "--version"], shows="cutgate"),
            [("`gpg --version`", Command(["gpg", "--version"])), ("`/bin/true`", Command(["/bin/true"]))],
            runs=50,
            targets=[at_most_ms(10)],
            limits="the loader, which binds libcrypto and libssl; the command line is parsed in the rest.",
        )
    ]


def laboratory(bench):
    """The audit that the project is made for, beside reading the same things by hand."""
    lab, reports = bench.folder("laboratory"), bench.folder("laboratory-reports")
    own, copy = scenes.laboratory(bench.program, lab)
    audit = [bench.program, "-p", own / "cutgate.toml", "audit", "--out", reports]
    return [
        Entry(
            "the laboratory's audit, nine reports",
            Command(audit, 1, "result: C", before=fresh(reports)),
            [("`scripts/by-hand`", Command([peers.ROOT / "scripts" / "by-hand", copy]))],
            runs=20,
            targets=[at_most_ms(250)],
            limits="waiting, for `gpg --version` and `python3 --version` and for the disk when everything is synced. "
            "`scripts/by-hand` reads what the audit reads with `sha256sum`, `find`, `gpg`, `stat`, `grep` and "
            "`python3`; it judges and records nothing.",
        )
    ]


def host(bench):
    """A small audit of the machine itself."""
    scene, reports = scenes.host(bench.folder("host") / "scene"), bench.folder("host-reports")
    count = scene.peers["checks"]
    return [
        Entry(
            f"a host audit of {count} checks, published",
            Command(scene.audit(bench.program, reports), 0, "result: B", before=fresh(reports)),
            [("pytest-testinfra, 16 of the checks", Command(in_testinfra(peers.testinfra_host(scene)), shows="16 passed"))],
            runs=15,
            targets=[at_most_ms(30)],
            limits="syncing three files, two folders and the ledger to disk, and `tar --version` and `gzip --version`.",
        ),
        Entry(
            f"the same {count} checks, judged and not published",
            Command(scene.judge(bench.program), 0, "CLOSED"),
            [],
            runs=15,
            targets=[at_most_ms(30)],
        ),
    ]


def files(bench):
    """Many files: the kernel's own speed, other auditors, and what publishing adds."""
    scene, reports = scenes.files(bench.folder("files") / "scene", FILES), bench.folder("files-reports")
    found, few = "2 not as they must be", f"{TESTINFRA_FILES} passed"
    lstat = Command([peers.compiled("lstat"), scene.peers["list"]], 1, f"{FILES} seen, 2 differ", units=FILES)
    oscap = Command(peers.oscap_files(scene), shows=f"oval:bench:def:{FILES}: true", units=FILES)
    some = Command(in_testinfra(peers.testinfra_files(scene, TESTINFRA_FILES)), shows=few, units=TESTINFRA_FILES)
    judge = Command(scene.judge(bench.program), 1, found, units=FILES)
    return [
        Entry(
            f"{FILES:,} files: kind, owner, group, mode; judged and not published",
            judge,
            [("an `lstat` loop in C", lstat)],
            runs=15,
            targets=[at_most_times(5, "the `lstat` loop"), at_most_mb(100)],
            limits="the package, which lists every file: 1 MB of TOML is parsed and checked. Then the kernel, which is "
            "asked for each file's attributes and for the space where it lies.",
        ),
        Entry(
            f"{FILES:,} files, published with evidence and report",
            Command(scene.audit(bench.program, reports), 1, found, units=FILES, before=fresh(reports)),
            [("an `lstat` loop in C", lstat)],
            runs=10,
            targets=[at_most_mb(100)],
            limits="every fact and every look is written as canonical JSON, read back and judged again.",
        ),
        Entry(
            f"{FILES:,} files beside other auditors",
            judge,
            [("OpenSCAP", oscap), (f"pytest-testinfra, {TESTINFRA_FILES} of the files", some)],
            runs=5,
        ),
    ]


def gates(bench):
    """Many gates, each with a fact of its own."""
    scene, reports = scenes.gates(bench.folder("gates") / "scene", GATES), bench.folder("gates-reports")
    oscap = Command(peers.oscap_keys(scene), shows=f"oval:bench:def:{GATES}: true")
    return [
        Entry(
            f"{GATES} gates over {GATES} facts, published",
            Command(scene.audit(bench.program, reports), 0, "result: B", before=fresh(reports)),
            [("OpenSCAP, with results written", oscap)],
            runs=10,
            targets=[at_most_ms(300), at_most_mb(40)],
            limits="500 probes, each of which reads the configuration file for itself; then parsing the rules.",
        )
    ]


def expressions(bench):
    """The cost of one more expression."""
    sets = {count: scenes.expressions(bench.folder(f"expressions-{count}") / "scene", count) for count in COUNTS}
    rego, rules = peers.regorus(), peers.ROOT / "benches" / "rules.py"

    def ours(count):
        return Command(sets[count].judge(bench.program), 0, f"no result: {len(sets[count].gates)} of")

    def regorus(count):
        return Command([rego, sets[count].peers["rego"], sets[count].peers["data"]], shows=f"{count} hold")

    def python(count):
        return Command(["python3", rules, sets[count].peers["python"], sets[count].peers["data"]], shows=f"{count} hold")

    return [
        Series(
            "expressions",
            COUNTS,
            [("cutgate", ours), ("regorus", regorus), ("Python", python)],
            runs=7,
            flat=1.5,
            limits="parsing: CEL's grammar is run by a parser generator's machine, and takes half of the time.",
        )
    ]


def code_path(bench):
    """The live code path of twelve phases in a large tree, beside what else reads or searches it."""
    tree, config = code_tree.make(bench.folder("code"))
    code_tree.check(bench.program, tree, config)
    pattern, scanners = "$X is Mode.LIVE", peers.scanners()
    semgrep = [scanners / "semgrep", "scan", "--metrics=off", "--disable-version-check", "--no-git-ignore", "--jobs=2"]
    ours = Command([bench.program, "code-path", tree, "--config", config], 1, "phase12", units=code_tree.FILES)
    search = [
        ("`rg Mode.LIVE`", Command(["rg", "--count", "--fixed-strings", "Mode.LIVE", tree], shows="phase01.py", units=code_tree.FILES)),
    ]
    parsers = [
        ("Python's `ast`, every tenth file", Command([sys.executable, peers.ROOT / "benches" / "parse.py", tree, "10"], shows="comparisons", units=code_tree.FILES // 10)),
        ("semgrep, `$X is Mode.LIVE`", Command([*semgrep, "--lang", "python", "-e", pattern, tree], shows="phase01.py", units=code_tree.FILES)),
        ("ast-grep, the same", Command([scanners / "ast-grep", "run", "--lang", "python", "-p", pattern, tree], shows="phase01.py", units=code_tree.FILES)),
    ]
    return [
        Entry(
            f"the live code path of 12 phases among {code_tree.FILES:,} files",
            ours,
            search,
            runs=10,
            targets=[at_most_times(5, "`rg`"), at_most_mb(300)],
            limits="reading, hashing and searching 182 MB: the digest is what the answer holds for, and SHA-256 alone takes 120 ms of one "
            "processor. Only files that can name what the phases belong to, or rewire a library, are kept and looked into.",
        ),
        Entry(
            f"the same among {code_tree.FILES:,} files, beside what parses",
            ours,
            parsers,
            runs=5,
            targets=[
                times_faster(10, 0, "Python's `ast`"),
                times_faster(20, 1, "semgrep"),
                times_faster(20, 2, "ast-grep"),
            ],
            limits="semgrep and ast-grep parse what holds the words of the pattern. They answer an easier question: of the "
            "seven phases that do not write, or not only, they find a branch on the mode in six.",
        ),
    ]


def keyring(bench):
    """Many certificates with every self-signature checked, and one among them."""
    scene, one = scenes.keyring(bench.folder("keyring") / "scene", peers.python_with(peers.CRYPTOGRAPHY), KEYS)
    home = ["gpg", "--homedir", scene.peers["home"], "--batch", "--no-autostart"]
    everything = Command([*home, "--no-sig-cache", "--list-keys"], shows=f"Bench {KEYS - 1:05}")
    listed = Command(["sq", "keyring", "list", scene.peers["keys"]], shows=f"Bench {KEYS - 1:05}")
    single = Command([*home, "--no-sig-cache", "--list-keys", scene.peers["wanted"]], shows=scene.peers["wanted"])
    return [
        Entry(
            f"a keyring of {KEYS:,} certificates, all judged",
            Command(scene.judge(bench.program), 0, "CLOSED"),
            [("`gpg --no-sig-cache --list-keys`", everything), ("`sq keyring list`", listed)],
            runs=5,
            targets=[at_most_times(1 / 5, "gpg"), at_most_times(1 / 2, "sq", 1)],
            limits="the self-signatures, two of each certificate, which are checked every time, on all processors "
            "(docs/decisions/0019-ed25519-is-checked-ahead.md); then parsing the packets and hashing what is signed.",
        ),
        Entry(
            f"one of {KEYS:,} certificates: can it encrypt, now and through the run?",
            Command(one.judge(bench.program), 0, "CLOSED"),
            [("`gpg --no-sig-cache --list-keys` of that one", single)],
            runs=15,
            targets=[at_most_ms(20)],
            limits="starting takes 5 ms. Then the keyring and the copy that gpg keeps beside it: both are read whole, hashed for "
            "the record, and compared; every checksum is compared, every certificate is named by its first packet, and the one "
            "is verified.",
        ),
    ]


def knowledge(bench):
    """Approvals among many documents, beside searching them for the words."""
    made = []
    for count in DOCUMENTS:
        scene = scenes.knowledge(bench.folder(f"knowledge-{count}") / "scene", count)
        words = ["rg", "--count-matches", "--ignore-case", "--hidden", "--no-ignore", peers.WORDS, scene.peers["tree"]]
        by_hand = ["sh", peers.ROOT / "benches" / "approvals", scene.peers["tree"], scene.peers["home"], peers.WORDS]
        made.append(
            Entry(
                f"a knowledge base of {count:,} documents, {scenes.APPROVALS} of them signed: every approval and look-alike, signatures verified",
                Command(scene.judge(bench.program), 0, "CLOSED"),
                [("`rg` for the words", Command(words)), ("`rg`, then `gpg --verify`", Command(by_hand, shows=f"{scenes.APPROVALS} good"))],
                runs=5 if count < 50_000 else 3,
                targets=[at_most_times(1.5, "`rg`"), at_most_times(1, "`rg` with `gpg --verify`", 1)],
                limits="what `rg` need not do for a document: it is looked at in the listing, before and after it is read, and again "
                "in the end, and hashed (4 µs of 6 kB). `rg` takes 20 µs for everything. By hand, each signed document costs one start of "
                "`gpg`: where there are only five of them, `rg` with `gpg --verify` takes little more than `rg`, and ours 1.1× to 1.25× as much.",
            )
        )
    return made


def database(bench):
    """A server that is asked for everything, beside what it takes to count and digest the rows alone."""
    whole, principals = scenes.database(bench.folder("database") / "scene", ROLES, TABLES, PRIVILEGES, ROWS)
    cluster = whole.peers["cluster"]
    row = "convert_to(t::text, 'UTF8')"
    count, digest = "SELECT count(*) FROM surface.unit", "SELECT sum({}) FROM surface.unit t"
    sha256 = digest.format(f"('x' || encode(substr(sha256({row}), 1, 8), 'hex'))::bit(64)::bigint")
    hashed = digest.format("hashtextextended(t::text, 0)")
    listed = Command(cluster.psql("-c", r"\dp s.*"), shows=f"t{TABLES:04}")
    made = [
        Entry(
            f"a database of {ROLES} roles, {TABLES:,} tables, {PRIVILEGES:,} privileges, and a table of {ROWS:,} rows",
            Command(whole.judge(bench.program), 0, "CLOSED"),
            [
                ("psql: `count(*)`, then the SHA-256 of every row", Command(cluster.psql("-c", count, "-c", sha256), shows=str(ROWS))),
                ("psql: `count(*)`, then the server's own hash of every row", Command(cluster.psql("-c", count, "-c", hashed), shows=str(ROWS))),
            ],
            runs=1,
            targets=[at_most_times(1.5, "psql with SHA-256")],
            limits="the server, which makes a text of every row, hashes it twice, and adds up, with as many processes as it "
            "sees fit; meanwhile it is asked for the privileges.",
        ),
        Entry(
            f"its roles and {PRIVILEGES:,} privileges alone",
            Command(principals.judge(bench.program), 0, "CLOSED"),
            [(r"psql: `\dp`", listed)],
            runs=3,
            limits=r"`\dp` shows the lists as they are stored. Whether a role holds a privilege, also by membership or "
            f"ownership, is asked of the server for each of {ROLES * TABLES:,} pairs of a role and a table.",
        ),
    ]
    yield from made
    cluster.stop()
    shutil.rmtree(cluster.folder)


def verify(bench):
    """A published audit of the laboratory, proved again."""
    lab, reports = bench.folder("verify"), bench.folder("verify-reports")
    own, _ = scenes.laboratory(bench.program, lab)
    # The audit of a blocked laboratory ends with 1.
    scenes.subprocess.run(
        [bench.program, "-p", own / "cutgate.toml", "audit", "--out", reports], stdout=scenes.subprocess.DEVNULL
    )
    published = next(path for path in sorted(reports.iterdir()) if path.is_dir())
    return [
        Entry(
            "`verify` of an audit of the laboratory",
            Command([bench.program, "verify", published]),
            [],
            runs=20,
            targets=[at_most_ms(50)],
            limits="parsing the rules, judging the evidence and rendering nine reports again.",
        )
    ]


ENTRIES = [start_up, laboratory, host, files, gates, expressions, keyring, knowledge, database, verify, code_path]
