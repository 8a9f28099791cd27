"""What others make of the formats of an audit: formats.py FOLDER…

Each folder holds one audit in every format, under the formats' own names, and its exit code in `code`. Each file is read
by a program that is not ours and compared with the JSON form: a gate that is not CLOSED is a pass nowhere, and there is
nothing in a file that is not in the audit. Prints each problem on a line; ends with 1 if there is any.
"""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

import html5lib
import jsonschema
import yaml
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from tap.parser import Parser as TapParser
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.poam import PlanOfActionAndMilestones

HERE = pathlib.Path(__file__).parent
OPEN = ("OPEN", "PARTIAL", "UNKNOWN", "WAIVED")


def same(what, found, expected):
    if found != expected:
        yield f"{what}: {found!r} instead of {expected!r}"


def junit(text, audit, code, path):
    whole = JUnitXml.fromfile(str(path))
    kinds = {Failure: "failure", Error: "error", Skipped: "skipped"}
    cases = {}
    for suite in whole:
        for case in suite:
            key = (case.classname, case.name)
            if key in cases:
                yield f"two cases {key}"
            cases[key] = kinds[type(case.result[0])] if case.result else "pass"
    expected = {}
    states = {"CLOSED": "pass", "OPEN": "failure", "PARTIAL": "failure", "UNKNOWN": "error", "WAIVED": "skipped"}
    outcomes = {"holds": "pass", "fails": "failure", "unknown": "error"}
    for gate in audit["gates"]:
        name = f"cutgate.{gate['id']}"
        expected[name, f"{gate['gap']} is closed"] = states[gate["state"]]
        for check in gate["checks"]:
            waived = gate["state"] == "WAIVED" and check["outcome"] == "fails"
            expected[name, f"check {check['id']} ({check['tier']})"] = "skipped" if waived else outcomes[check["outcome"]]
    for waiver in audit.get("waivers", []):
        is_ = "failure" if waiver["standing"] == "refused" else "skipped"
        expected["cutgate.waivers", f"waivers/{waiver['file']}"] = is_
    rows = {"NOT DONE": "pass", "CHANGED": "failure", "NOT ATTESTED": "skipped", "DECLARED": "skipped"}
    for row in audit["attestation"]:
        expected["cutgate.attestation", f"{row['id']}: {row['action']}"] = rows[row["status"]]
    result = {0: "pass", 3: "error"}.get(code, "failure")
    yield from same("result", [is_ for (klass, _), is_ in cases.items() if klass == "cutgate.result"], [result])
    cases = {key: is_ for key, is_ in cases.items() if key[0] != "cutgate.result"}
    yield from same("cases", cases, expected)


def tap(text, audit, code, path):
    # The one knows version 14 and no YAML, the other is strict and knows version 13, in which 14 can be read.
    waivers = audit.get("waivers", [])
    expected = [gate["state"] == "CLOSED" for gate in audit["gates"]] + [False] * len(waivers)
    skipped = [row["status"] in ("NOT ATTESTED", "DECLARED") for row in audit["attestation"]]
    expected += [row["status"] != "CHANGED" for row in audit["attestation"]] + [code == 0]
    before = len(audit["gates"]) + len(waivers)
    skipped = [False] * before + skipped + [False]
    todo = [gate["state"] == "WAIVED" for gate in audit["gates"]] + [waiver["standing"] != "refused" for waiver in waivers]
    todo += [False] * (len(expected) - before)
    lines = list(TapParser().parse_file(str(path)))
    tests = [line for line in lines if line.category == "test"]
    yield from same("points", [test.ok for test in tests], expected)
    yield from same("skipped", [bool(test.skip) for test in tests], skipped)
    yield from same("todo", [bool(test.todo) for test in tests], todo)
    plan = [line.expected_tests for line in lines if line.category == "plan"]
    yield from same("plan", plan, [len(expected)])
    yield from same("bailed out", [line for line in lines if line.category == "bail"], [])
    script = (
        "use TAP::Parser; local $/; my $p = TAP::Parser->new({tap => scalar <STDIN>});"
        "while (my $r = $p->next) { if ($r->is_test) { print(($r->is_actual_ok ? 'ok' : 'no'), $r->has_skip ? ' skip' : '', $r->has_todo ? ' todo' : '', qq{\\n}) }"
        " elsif (!$r->is_plan && !$r->is_version && !$r->is_yaml) { print 'stray: ', $r->raw, qq{\\n} } }"
        "print qq{error: $_\\n} for $p->parse_errors;"
    )
    older = text.replace("TAP version 14\n", "TAP version 13\n", 1)
    read = subprocess.run(["perl", "-e", script], input=older.encode(), capture_output=True, check=True)
    marks = zip(expected, skipped, todo)
    words = [("ok" if ok else "no") + (" skip" if skip else "") + (" todo" if todo else "") for ok, skip, todo in marks]
    yield from same("as TAP::Parser reads it", read.stdout.decode().splitlines(), words)
    blocks = re.findall(r"^  ---\n(.*?)^  \.\.\.$", text, re.S | re.M)
    states = [yaml.safe_load(block) for block in blocks]
    yield from same("blocks", len(states), len(expected))
    yield from same("states", [block["state"] for block in states[: len(audit["gates"])]], [g["state"] for g in audit["gates"]])
    known = {"state", "message", "severity", "checks", "at", "next", "action", "status", "ground", "result"}
    known |= {"blocked_technically", "blocked_by_authority"}
    yield from same("keys", set().union(*states) - known, set())


def nagios(text, audit, code, path):
    lines = text.splitlines()
    head = re.fullmatch(r"CUTGATE (OK|WARNING|CRITICAL|UNKNOWN) - ([^|]*) \| ([^|]*)", lines[0])
    if not head:
        yield f"the first line is {lines[0]!r}"
        return
    states = [gate["state"] for gate in audit["gates"]]
    yield from same("OK", head[1] == "OK", code == 0)
    yield from same("UNKNOWN", head[1] == "UNKNOWN", code == 3)
    data = dict(item.split("=") for item in head[3].split(" "))
    numbers = {name: int(value.split(";")[0]) for name, value in data.items()}
    yield from same("data", numbers, {s.lower(): states.count(s) for s in ("CLOSED", *OPEN)})
    waivers = ["waiver"] * len(audit.get("waivers", []))
    yield from same("lines", [line.split(" ")[0] for line in lines[1:]], states + waivers)
    yield from same("bars", [line for line in lines[1:] if "|" in line], [])


def prometheus(text, audit, code, path):
    families = {family.name: family for family in text_string_to_metric_families(text)}
    names = {"gate_state", "gates", "gate_read_timestamp_seconds", "result", "requirement_met", "exit_code", "audit_timestamp_seconds"}
    names |= {"waivers", "waiver_expiry_timestamp_seconds"}
    yield from same("metrics", set(families), {f"cutgate_{name}" for name in names})
    yield from same("types", {family.type for family in families.values()}, {"gauge"})
    value = lambda name: [(sample.labels, sample.value) for sample in families[f"cutgate_{name}"].samples]
    found = {labels["gate"]: labels["state"].upper() for labels, number in value("gate_state") if number == 1}
    yield from same("states", found, {gate["id"]: gate["state"] for gate in audit["gates"]})
    yield from same("series", len(value("gate_state")), 5 * len(audit["gates"]))
    standings = [waiver["standing"].replace("-", " ") for waiver in audit.get("waivers", [])]
    found = {labels["standing"]: int(number) for labels, number in value("waivers")}
    yield from same("waivers", found, {word: standings.count(word) for word in ("in force", "not applied", "refused")})
    ends = {labels["gate"] for labels, _ in value("waiver_expiry_timestamp_seconds")}
    yield from same("ends", ends, {gate["id"] for gate in audit["gates"] if gate["state"] == "WAIVED"})
    yield from same("requirement", [number for _, number in value("requirement_met")], [float(code == 0)])
    yield from same("code", [number for _, number in value("exit_code")], [float(code)])
    letters = [labels["letter"] for labels, number in value("result") if number == 1]
    yield from same("letter", letters, [audit["result"]["letter"]])
    packages = {labels["package"] for name in names for labels, _ in value(name)}
    yield from same("package", packages, {shown(audit["package"]["macro_id"])})


def gates_with_results(results, audit, code):
    """Every gate that is not CLOSED is in the list, and no other; a blocked audit has something in it."""
    open_gates = {gate["id"] for gate in audit["gates"] if gate["state"] in OPEN}
    yield from same("gates", results - {"result", "waiver"}, open_gates)
    refused = any(waiver["standing"] == "refused" for waiver in audit.get("waivers", []))
    yield from same("waivers", "waiver" in results, refused)
    if code != 0 and not results:
        yield "an audit that is blocked shows nothing"


def gitlab(text, audit, code, path):
    issues = json.loads(text)
    jsonschema.validate(issues, json.loads((HERE / "schemas/gitlab-code-quality.json").read_text()))
    prints = [issue["fingerprint"] for issue in issues]
    yield from same("fingerprints", len(set(prints)), len(prints))
    yield from gates_with_results({issue["check_name"] for issue in issues}, audit, code)
    yield from same("severities", {issue["severity"] for issue in issues} - {"critical", "blocker", "major"}, set())
    major = {issue["check_name"] for issue in issues if issue["severity"] == "major"}
    yield from same("major", major, {gate["id"] for gate in audit["gates"] if gate["state"] == "WAIVED"})


def messages(part):
    """Every message in a part of a log."""
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield part
        part = list(part.values())
    for item in part if isinstance(part, list) else []:
        yield from messages(item)


def sarif(text, audit, code, path):
    run = json.loads(text)["runs"][0]
    texts = [item["text"] for item in messages(run)]
    yield from same("links", [said for said in texts if re.search(r"\]\(", said)], [])
    yield from same("controls", [said for said in texts if not all(map(plain, said))], [])
    yield from gates_with_results({result["ruleId"] for result in run["results"]}, audit, code)
    suppressed = {result["ruleId"] for result in run["results"] if result.get("suppressions")}
    loud = {result["ruleId"] for result in run["results"] if not result.get("suppressions")}
    waived = {gate["id"] for gate in audit["gates"] if gate["state"] == "WAIVED"}
    yield from same("suppressed", (suppressed, loud & waived), (waived, set()))
    unknown = code == 3 or any(gate["state"] == "UNKNOWN" for gate in audit["gates"])
    yield from same("success", run["invocations"][0]["executionSuccessful"], not unknown)


def github(text, audit, code, path):
    levels, titles = [], set()
    for line in text.splitlines():
        command = re.fullmatch(r"::(error|notice|warning) ((?:[a-z]+=[^,:]*,?)+)::(.*)", line)
        if not command:
            yield f"no command of ours: {line!r}"
            continue
        properties = dict(item.split("=", 1) for item in command[2].split(","))
        if set(properties) - {"file", "line", "col", "title"}:
            yield f"properties {properties}"
        levels.append(command[1])
        titles.add(properties["title"].replace("%25", "%"))
        waived = properties["title"].endswith(" is WAIVED") or properties["title"] == "waiver is not applied"
        yield from same(f"the level of {properties['title']}", command[1] == "warning", waived)
    expected = {f"{g['gap']} {g['id']} is {g['state']}" for g in audit["gates"] if g["state"] in OPEN} | {"cutgate"}
    standings = {waiver["standing"].replace("-", " ") for waiver in audit.get("waivers", [])} - {"in force"}
    expected |= {f"waiver is {standing}" for standing in standings}
    yield from same("titles", titles, expected)
    yield from same("the last one", levels[-1:], ["notice" if code == 0 else "error"])


def markdown(text, audit, code, path):
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = [token.type for token in tokens]
    yield from same("headings", kinds.count("heading_open"), 1)
    yield from same("rows", kinds.count("tr_open"), len(audit["gates"]) + 1)
    yield from same("blocks", {k for k in kinds if k.startswith(("html", "fence", "code", "hr", "ordered", "blockquote"))}, set())
    inline = {child.type for token in tokens for child in token.children or []}
    yield from same("inline", inline - {"text", "code_inline", "text_special", "softbreak"}, set())
    cells = [tokens[i + 2].content for i, token in enumerate(tokens) if token.type == "tr_open" and tokens[i + 1].type == "td_open"]
    yield from same("states", cells, [gate["state"] for gate in audit["gates"]])


ELEMENTS = set(
    "html head meta title link style body header main footer section h1 h2 h3 p ul ol li dl dt dd pre code strong span div details"
    " summary svg rect text".split()
)


def html(text, audit, code, path):
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree = parser.parse(text)
    names = {element.tag.split("}")[-1] for element in tree.iter() if isinstance(element.tag, str)}
    yield from same("elements", names - ELEMENTS, set())
    for element in tree.iter():
        for name, value in element.attrib.items():
            if name.startswith("on") or name in ("style", "src", "srcset", "action", "formaction"):
                yield f"attribute {name} of {element.tag}"
            if name.endswith("href") and value != "data:,":
                yield f"a reference to {value}"
            if name == "http-equiv" and value != "Content-Security-Policy":
                yield f"http-equiv {value}"
    policy = [meta.get("content") for meta in tree.iter("meta") if meta.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(tree.find(".//style").text.encode()).digest()).decode()
    expected = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    yield from same("policy", policy, [expected])
    gates = tree.findall(".//ol[@class='gates']/li")
    badges = [gate.find("details/summary/span").text.split(" ")[1] for gate in gates]
    yield from same("states", badges, [gate["state"] for gate in audit["gates"]])
    paper = [item.find("span").text.split(" ")[1] for item in tree.findall(".//ul[@class='paper']/li")]
    yield from same("states on paper", paper, badges)
    ids = [gate.find("details/summary/code").text for gate in gates]
    yield from same("gates", ids, [gate["id"] for gate in audit["gates"]])
    heads = tree.findall(".//h1")
    yield from same("heads", len(heads), 1)
    yield from same("met", heads[0].text.startswith("The requirement is met: "), code == 0)
    yield from same("class", tree.find(".//header").get("class") == "met", code == 0)
    tidy = subprocess.run(["tidy", "-quiet", "-errors", "--drop-empty-elements", "no", str(path)], capture_output=True)
    yield from same("tidy", tidy.stderr.decode().splitlines(), [])


def oscal(text, audit, code, path):
    whole = json.loads(text)
    yield from same("roots", set(whole), {"assessment-results"})
    results = AssessmentResults.parse_obj(whole["assessment-results"]).results
    yield from same("results", len(results), 1)
    found = {finding.target.target_id: finding.target.status for finding in results[0].findings}
    states = {gate["id"]: gate["state"] for gate in audit["gates"]}
    yield from same("findings", set(found), set(states))
    for gate, status in found.items():
        yield from same(gate, str(status.state.value), "satisfied" if states[gate] == "CLOSED" else "not-satisfied")
        reason = {"CLOSED": "pass", "UNKNOWN": "other"}.get(states[gate], "fail")
        yield from same(gate, str(getattr(status.reason, "__root__", status.reason)), reason)
    gaps = [gap["id"] for gap in audit["gaps"] if gap["state"] in OPEN]
    waived = [gate["gap"] for gate in audit["gates"] if gate["state"] == "WAIVED"]
    for risk in whole["assessment-results"]["results"][0].get("risks", []):
        gap = next(p["value"] for p in risk["props"] if p["name"] == "gap")
        yield from same(f"the risk of {gap}", risk["status"], "deviation-approved" if gap in waived else "open")
        yield from same(f"the deadline of {gap}", "deadline" in risk, gap in waived)
    risks = {next(p.value for p in risk.props if p.name == "gap") for risk in results[0].risks or []}
    yield from same("risks", risks, set(gaps))
    seen = {observation.uuid for observation in results[0].observations}
    used = {related.observation_uuid for finding in results[0].findings for related in finding.related_observations or []}
    yield from same("observations", used - seen, set())
    for observation in results[0].observations:
        if not observation.expires or observation.expires <= observation.collected:
            yield f"{observation.title} does not expire"


def poam(text, audit, code, path):
    whole = json.loads(text)
    yield from same("roots", set(whole), {"plan-of-action-and-milestones"})
    plan = PlanOfActionAndMilestones.parse_obj(whole["plan-of-action-and-milestones"])
    gaps = [gap["id"] for gap in audit["gaps"] if gap["state"] in OPEN]
    yield from same("items", len(plan.poam_items), len(gaps) + 1)
    risks = {risk.uuid for risk in plan.risks or []}
    used = {risk.risk_uuid for item in plan.poam_items for risk in item.related_risks or []}
    yield from same("risks", used, risks)
    yield from same("open risks", len(risks), len(gaps))


def text(text, audit, code, path):
    lines = text.splitlines()
    yield from same("results", [line.split(" ")[1] for line in lines if line.startswith("result: ")], [audit["result"]["letter"]])
    states = [line.split()[0] for line in lines if re.match(r"  (CLOSED|PARTIAL|OPEN|UNKNOWN|WAIVED) ", line)]
    yield from same("states", states, [gate["state"] for gate in audit["gates"]])


def shown(value):
    return "".join(c if plain(c) else f"⟨U+{ord(c):04X}⟩" for c in value.replace("\n", "␤"))


def plain(c):
    return unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") and c not in "\ufffe\uffff"


READERS = {
    "github": github, "gitlab": gitlab, "html": html, "junit": junit, "markdown": markdown, "nagios": nagios,
    "oscal": oscal, "oscal-poam": poam, "prometheus": prometheus, "sarif": sarif, "tap": tap, "text": text,
}  # fmt: skip


def problems(folder):
    audit = json.loads((folder / "json").read_text())
    code = int((folder / "code").read_text())
    files = {path.name for path in folder.iterdir()} - {"json", "code"}
    yield from same("formats", files, set(READERS))
    for name, read in READERS.items():
        path = folder / name
        raw = path.read_bytes().decode("utf-8")
        loose = {c for c in raw if c != "\n" and not plain(c)}
        yield from (f"{name}: a raw U+{ord(c):04X}" for c in sorted(loose))
        try:
            yield from (f"{name}: {problem}" for problem in read(raw, audit, code, path))
        except Exception as error:  # whatever a reader does not take is a problem of the file
            yield f"{name}: {type(error).__name__}: {str(error)[:500]!r}"


found = [f"{folder}: {problem}" for folder in sys.argv[1:] for problem in problems(pathlib.Path(folder))]
print("\n".join(found), end="")
sys.exit(bool(found))
