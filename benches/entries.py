"""What `make bench` measures: one entry for each comparison, in the order of the page.

To add one, add an entry to `entries`: a name, our command, the peers' commands, how often, what is aimed at, and a
sentence about what limits it. Scenes and peers are made when an entry asks for them; a new kind of scene is a function
in scenes.py, a new peer a function in peers.py.
"""

import dataclasses
import shutil

import peers
import scenes
from measure import Command

FILES, TESTINFRA_FILES, GATES = 10_000, 200, 500
COUNTS = (100, 1_000, 10_000)


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


def at_most_times(limit, peer):
    """Our time as a multiple of the first peer's."""

    def measured(ours, others):
        ratio = ours.each / others[0].each
        return f"{ratio:.2f}×", ratio <= limit

    return Target(f"at most {limit}× {peer}", measured)


def entries(program, make):
    """Every entry. `make(name)` gives an empty folder."""
    yield Entry(
        "start-up: `--version`",
        Command([program, "--version"], shows="cutgate"),
        [("`gpg --version`", Command(["gpg", "--version"])), ("`/bin/true`", Command(["/bin/true"]))],
        runs=50,
        targets=[at_most_ms(10)],
        limits="The loader binds libcrypto and libssl, which take most of it; the command line is parsed in the rest.",
    )

    def fresh(folder):
        return lambda: shutil.rmtree(folder, ignore_errors=True)

    lab, by_hand, reports = make("lab"), make("by-hand"), make("reports")
    Lab.build(program, lab, by_hand)
    yield Entry(
        "the laboratory's audit, nine reports",
        Command([program, "-p", lab / "lab" / "cutgate.toml", "audit", "--out", reports], 1, "result: C", before=fresh(reports)),
        [("`scripts/by-hand`", Command([peers.ROOT / "scripts" / "by-hand", by_hand / "lab"]))],
        runs=20,
        targets=[at_most_ms(250)],
        limits="Waiting: for `gpg --version` and `python3 --version`, and for the disk when everything is synced. "
        "`scripts/by-hand` reads what the audit reads with `sha256sum`, `find`, `gpg`, `stat`, `grep` and `python3`; it judges and records nothing.",
    )

    host = scenes.host(make("host") / "scene")
    python, test = peers.testinfra(), peers.testinfra_host(host)
    host_reports = make("host-reports")
    yield Entry(
        f"a host audit of {host.peers['checks']} checks, published",
        Command(host.audit(program, host_reports), 1, "result: C", before=fresh(host_reports)),
        [("pytest-testinfra, 16 of the checks", Command(testinfra(python, test), shows="16 passed"))],
        runs=15,
        targets=[at_most_ms(30)],
        limits="Seven syncs to disk, most of them waiting for the journal, and `tar --version` and `gzip --version`.",
    )
    yield Entry(
        f"the same {host.peers['checks']} checks, judged only",
        Command(host.judge(program), 0, "CLOSED"),
        [],
        runs=15,
        targets=[at_most_ms(30)],
    )

    files = scenes.files(make("files") / "scene", FILES)
    lstat = ("an `lstat` loop in C", Command([peers.compiled("lstat"), files.peers["list"]], 1, f"{FILES} seen, 2 differ", units=FILES))
    found = "2 not as they must be"
    yield Entry(
        f"{FILES:,} files: kind, owner, group, mode; judged only",
        Command(files.judge(program), 1, found, units=FILES),
        [lstat],
        runs=15,
        targets=[at_most_times(5, "the loop"), at_most_mb(100)],
        limits="The package lists every file: reading and checking 1 MB of TOML takes about as long as looking. "
        "Each file is looked at twice by the kernel, for its attributes and for the space where it lies.",
    )
    files_reports = make("files-reports")
    yield Entry(
        f"{FILES:,} files, published with evidence and report",
        Command(files.audit(program, files_reports), 1, found, units=FILES, before=fresh(files_reports)),
        [lstat],
        runs=10,
        targets=[at_most_mb(100)],
        limits="Every file's facts and every look are written as canonical JSON, read back and judged again.",
    )
    yield Entry(
        f"{FILES:,} files beside other auditors",
        Command(files.judge(program), 1, found, units=FILES),
        [
            ("OpenSCAP", Command(peers.oscap_files(files), shows=f"oval:bench:def:{FILES}: true", units=FILES)),
            (
                f"pytest-testinfra, {TESTINFRA_FILES} of the files",
                Command(testinfra(python, peers.testinfra_files(files, TESTINFRA_FILES)), shows="200 passed", units=TESTINFRA_FILES),
            ),
        ],
        runs=2,
    )

    gates = scenes.gates(make("gates") / "scene", GATES)
    gates_reports = make("gates-reports")
    yield Entry(
        f"{GATES} gates over {GATES} facts, published",
        Command(gates.audit(program, gates_reports), 1, "result: C", before=fresh(gates_reports)),
        [("OpenSCAP, with results written", Command(peers.oscap_keys(gates), shows=f"oval:bench:def:{GATES}: true"))],
        runs=10,
        targets=[at_most_ms(300), at_most_mb(40)],
        limits="Each gate asks for its own key, and each probe runs on a thread of its own and reads the file for itself.",
    )

    sets = {count: scenes.expressions(make(f"expressions-{count}") / "scene", count) for count in COUNTS}
    rego = peers.regorus()
    rules = peers.ROOT / "benches" / "rules.py"

    def ours(count):
        return Command(sets[count].judge(program), 0, f"no result: {len(sets[count].gates)} of")

    def regorus(count):
        return Command([rego, sets[count].peers["rego"], sets[count].peers["data"]], shows=f"{count} hold")

    def in_python(count):
        return Command(["python3", rules, sets[count].peers["python"], sets[count].peers["data"]], shows=f"{count} hold")

    yield Series(
        "expressions",
        COUNTS,
        [("cutgate", ours), ("regorus", regorus), ("Python", in_python)],
        runs=7,
        flat=1.5,
        limits="Parsing: the grammar of CEL is run by a parser generator's machine, about 50 µs for an expression; "
        "checking its types and judging it take a few. The peers neither check types nor keep places for messages.",
    )


def testinfra(python, test):
    """pytest without its cache, so that it leaves nothing behind."""
    return [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]


class Lab:
    """The laboratory, and a copy for reading by hand: gpg writes into the home that it lists."""

    @staticmethod
    def build(program, lab, by_hand):
        """Two laboratories that are the same."""
        import subprocess

        subprocess.run([program, "demo", lab / "lab"], check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(lab / "lab", by_hand / "lab", symlinks=True)
