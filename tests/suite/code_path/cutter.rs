//! The cutter's own tree: v0.6 only simulates, v0.7 is wired, and each change of v0.7 is seen.

use super::*;

const PHASES: [(&str, &str, &str); 5] = [
    ("pre_write_backup", "PreWriteBackup", "simulate_backup"),
    ("cut_leg_a", "CutLegA", "simulate_leg_a"),
    ("leg_b_record", "LegBRecord", "simulate_leg_b"),
    ("write_verify", "WriteVerify", "simulate_verify"),
    ("lifecycle_enact", "LifecycleEnact", "simulate_enact"),
];

const ORCHESTRATOR: &str = r#""""The orchestrator of the cut."""
import enum
import logging

__version__ = "0.6.0"
__milestone__ = "O4 live-dryrun-orchestration"
__execution_enabled__ = False

logger = logging.getLogger(__name__)


class Mode(enum.Enum):
    DRYRUN = "dryrun"
    LIVE = "live"


class ExecutionDisabled(RuntimeError):
    pass


def require_enabled(mode):
    if mode is Mode.LIVE and not __execution_enabled__:
        raise ExecutionDisabled("the kill switch is off")
"#;

const DISCOVERER: &str = r#"
class LiveDryRunDiscoverer:
    """Simulator-only phase bodies.

    No production write path is reachable.
    """

    def __init__(self, registry):
        self._registry = dict(registry)
        self.trace = []

    def simulate_backup(self, ctx):
        self.trace.append("backup")
        return {"phase": "backup", "simulated": True}

    def simulate_leg_a(self, ctx):
        return {"units": [u for u in ctx.units], "simulated": True}

    def simulate_leg_b(self, ctx):
        return {"simulated": True}

    def simulate_verify(self, ctx):
        return {"simulated": True}

    def simulate_enact(self, ctx):
        return {"simulated": True}
"#;

const CONTEXT: &str = r#"
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cutter.orchestrator import Mode

if TYPE_CHECKING:
    import psycopg
    from cutter.discoverer import LiveDryRunDiscoverer
    from cutter.prod_iu_adapter_canonical import ProdIuAdapter


@dataclasses.dataclass(frozen=True)
class RunContext:
    mode: Mode
    discoverer: LiveDryRunDiscoverer
    conn: "psycopg.Connection"
    adapter: ProdIuAdapter
    units: list[str]
    run_id: str = ""
    recipient: str | None = None
"#;

const BASE_PHASE: &str = r#"
import abc

from cutter.context import RunContext


class Phase(abc.ABC):
    name = "phase"

    @abc.abstractmethod
    def run(self, ctx: RunContext):
        """Runs the phase."""
"#;

const ADAPTER: &str = r#"
"""The write path proven in v0.5."""
import psycopg


class ProdIuAdapter:
    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def write_units(self, units: list[str]) -> int:
        if not units:
            raise ValueError("nothing to cut")
        with self._conn.cursor() as cur:
            for unit in units:
                cur.execute("INSERT INTO information_unit (name) VALUES (%s)", (unit,))
        self._conn.commit()
        return len(units)

    def record(self, table: str, values: dict) -> None:
        cur = self._conn.cursor()
        cur.execute(f"INSERT INTO cutter_governance.{table} VALUES (%s)", (values,))
        self._conn.commit()
"#;

/// The deployed v0.6: every phase only simulates. With `live`, the body of each phase's live branch.
pub(super) fn cutter(root: &Path, live: Option<[&str; 5]>) {
    write_tree(
        root,
        &[
            (
                "cutter/__init__.py",
                "\"\"\"The cutter, internal milestone O4.\"\"\"\nfrom cutter.orchestrator import Mode\n",
            ),
            ("cutter/orchestrator.py", ORCHESTRATOR),
            ("cutter/discoverer.py", DISCOVERER),
            ("cutter/context.py", CONTEXT),
            ("cutter/phases/__init__.py", ""),
            ("cutter/phases/base.py", BASE_PHASE),
            ("cutter/prod_iu_adapter_canonical.py", ADAPTER),
            (
                "cutter/tests/test_phases.py",
                "from cutter.prod_iu_adapter_canonical import ProdIuAdapter\n\nclass Fake(ProdIuAdapter):\n    def write_units(self, units):\n        return 0\n",
            ),
        ],
    );
    for (index, (name, class, simulate)) in PHASES.iter().enumerate() {
        let branch = live.map_or_else(String::new, |live| {
            let body: String = live[index].lines().map(|line| format!("            {line}\n")).collect();
            format!("        if ctx.mode is Mode.LIVE:\n            require_enabled(ctx.mode)\n{body}")
        });
        let module = format!(
            "import subprocess\n\nfrom ..context import RunContext\nfrom ..orchestrator import Mode, require_enabled\nfrom .base import Phase\n\n\nclass {class}(Phase):\n    name = \"{name}\"\n\n    def run(self, ctx: RunContext):\n{branch}        return ctx.discoverer.{simulate}(ctx)\n"
        );
        write_tree(root, &[(&format!("cutter/phases/{name}.py"), &module)]);
    }
}

pub(super) const WIRED: [&str; 5] = [
    "subprocess.run([\"pg_dump\", \"--format=custom\", \"--file\", \"/var/lib/cutter/dump\"], check=True)\nsubprocess.run([\"gpg\", \"--encrypt\", \"/var/lib/cutter/dump\"], check=True)\nreturn {\"dump\": True}",
    "return {\"written\": ctx.adapter.write_units(ctx.units)}",
    "ctx.adapter.record(\"cut_change_set\", {\"run\": ctx.run_id})\nreturn None",
    "ctx.adapter.record(\"verify_result\", {\"run\": ctx.run_id})\nreturn None",
    "with ctx.conn.cursor() as cur:\n    cur.execute(\"UPDATE information_unit SET state = 'enacted'\")\nctx.conn.commit()\nreturn None",
];

pub(super) fn cutter_config() -> Value {
    let phases: serde_json::Map<String, Value> = PHASES
        .iter()
        .map(|(name, class, _)| {
            (name.to_string(), json!({"entry": format!("cutter.phases.{name}:{class}.run"), "carrier": "ctx.mode"}))
        })
        .collect();
    json!({
        "mode": {"kind": "enum", "name": "cutter.orchestrator.Mode", "live": "LIVE", "dry": "DRYRUN"},
        "kill_switch": [{"kind": "constant", "name": "cutter.orchestrator.__execution_enabled__"}],
        "patterns": {
            "sinks": ["*.execute", "*.executemany", "cutter.prod_iu_adapter_canonical.*"],
            "command_sinks": ["pg_dump"],
            "simulators": ["*.simulate_*"],
        },
        "phases": phases,
    })
}

#[test]
fn v06_only_simulates() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), None);
    let fact = collect(dir.path(), &cutter_config());
    assert_eq!(fact.at("present"), Some(&Fact::Bool(true)));
    assert_eq!(text(&fact, "state"), "OPEN");
    assert_eq!(list(&fact, "phases").len(), 5);
    for (name, _, simulate) in PHASES {
        let phase = phase(&fact, name);
        assert_eq!(answers(phase), ["never", "true", "false"], "{name}: {}", reasons(phase));
        assert_eq!(phase.at("live_branch"), Some(&Fact::Bool(false)));
        assert_eq!(text(phase, "mode_test"), "");
        let simulator = &list(phase, "simulators")[0];
        assert_eq!(text(simulator, "call"), format!("cutter.discoverer.LiveDryRunDiscoverer.{simulate}"));
        assert_eq!(text(simulator, "place"), format!("cutter/phases/{name}.py:12:16"));
        assert!(list(phase, "writes").is_empty());
    }
    let names: Vec<String> = {
        let mut names: Vec<String> = PHASES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(texts(&fact, "phases_without_live_write"), names);
    assert_eq!(texts(&fact, "phases_reaching_simulator"), names);
    assert_eq!(texts(&fact, "phases_unguarded"), names);
    assert!(texts(&fact, "phases_undecided").is_empty());
    let switch = &list(&fact, "switches")[0];
    assert_eq!(text(switch, "value"), "False");
    assert_eq!(text(switch, "place"), "cutter/orchestrator.py:7:1");
    let labels: Vec<(&str, &str)> =
        list(&fact, "labels").iter().map(|label| (text(label, "name"), text(label, "text"))).collect();
    assert_eq!(
        labels,
        [
            ("__doc__", "The cutter, internal milestone O4."),
            ("__version__", "0.6.0"),
            ("__milestone__", "O4 live-dryrun-orchestration"),
        ]
    );
    let doc = &list(&fact, "simulator_docs")[0];
    assert_eq!(text(doc, "name"), "cutter.discoverer.LiveDryRunDiscoverer");
    assert_eq!(text(doc, "doc"), "Simulator-only phase bodies. No production write path is reachable.");
    assert!(list(&fact, "live_discoverers").is_empty());
    let summary = text(phase(&fact, "cut_leg_a"), "summary");
    assert!(summary.starts_with("no live run writes; it can reach the simulator"), "{summary}");
}

#[test]
fn an_adapter_that_no_phase_imports_is_unwired() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("tree");
    cutter(&root, None);
    write_tree(
        &root,
        &[(
            "cutter/context.py",
            &CONTEXT
                .replace("    from cutter.prod_iu_adapter_canonical import ProdIuAdapter\n", "")
                .replace("    adapter: ProdIuAdapter\n", ""),
        )],
    );
    let fact = collect(dir.path(), &cutter_config());
    let unwired: Vec<&str> = list(&fact, "unwired").iter().map(|each| text(each, "module")).collect();
    assert_eq!(unwired, ["cutter.prod_iu_adapter_canonical"]);
    assert_eq!(text(&list(&fact, "unwired")[0], "place"), "cutter/prod_iu_adapter_canonical.py:6:7");
}

#[test]
fn v07_is_closed() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), Some(WIRED));
    let fact = collect(dir.path(), &cutter_config());
    for (name, ..) in PHASES {
        let phase = phase(&fact, name);
        assert_eq!(answers(phase), ["always", "false", "true"], "{name}: {}", reasons(phase));
        assert_eq!(phase.at("live_branch"), Some(&Fact::Bool(true)));
        assert_eq!(text(phase, "mode_test"), format!("cutter/phases/{name}.py:12:12"));
        assert_eq!(list(phase, "blocked_by").len(), 0, "{}", reasons(phase));
    }
    assert_eq!(text(&fact, "state"), "CLOSED");
    for key in ["phases_without_live_write", "phases_reaching_simulator", "phases_unguarded", "phases_undecided"] {
        assert!(texts(&fact, key).is_empty(), "{key}");
    }
    assert_eq!(texts(&fact, "live_discoverers"), ["cutter.prod_iu_adapter_canonical.ProdIuAdapter"]);
    let write = &list(phase(&fact, "cut_leg_a"), "writes")[0];
    assert_eq!(text(write, "place"), "cutter/prod_iu_adapter_canonical.py:15:17");
    assert_eq!(
        texts(write, "chain"),
        [
            "cutter.phases.cut_leg_a.CutLegA.run (cutter/phases/cut_leg_a.py:11:9)",
            "cutter.prod_iu_adapter_canonical.ProdIuAdapter.write_units (cutter/phases/cut_leg_a.py:14:32)",
        ]
    );
    let labels: Vec<&str> = list(phase(&fact, "cut_leg_a"), "excerpt").iter().map(|line| text(line, "label")).collect();
    assert_eq!(labels, ["entry", "mode test", "write"]);
}

#[test]
fn each_change_of_v07_is_seen() {
    let leg_a = |body: &'static str| [WIRED[0], body, WIRED[2], WIRED[3], WIRED[4]];
    let backup = |body: &'static str| [body, WIRED[1], WIRED[2], WIRED[3], WIRED[4]];
    let changes: [(&str, [&str; 5], [&str; 3], &str); 8] = [
        ("cut_leg_a", leg_a("pass"), ["never", "true", "true"], "OPEN"),
        ("cut_leg_a", leg_a("ctx.adapter.write_units(ctx.units)"), ["always", "true", "true"], "OPEN"),
        (
            "cut_leg_a",
            leg_a("if ctx.units:\n    ctx.adapter.write_units(ctx.units)\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "cut_leg_a",
            leg_a("try:\n    ctx.adapter.write_units(ctx.units)\nexcept Exception:\n    pass\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "cut_leg_a",
            leg_a("eval('ctx.adapter.write_units(ctx.units)')\nreturn None"),
            ["unknown", "unknown", "true"],
            "unknown",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run([\"pg_dump\"])\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run([\"echo\", \"pg_dump\"], check=True)\nreturn None"),
            ["never", "false", "true"],
            "OPEN",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run(\"pg_dump | gpg -e\", shell=True, check=True)\nreturn None"),
            ["unknown", "false", "true"],
            "unknown",
        ),
    ];
    for (name, bodies, expected, state) in changes {
        let dir = tempfile::tempdir().expect("a folder");
        cutter(&dir.path().join("tree"), Some(bodies));
        let fact = collect(dir.path(), &cutter_config());
        let changed = phase(&fact, name);
        assert_eq!(answers(changed), expected, "{bodies:?}: {}", reasons(changed));
        assert_eq!(answer(&fact, "state"), state, "{bodies:?}");
    }
}
