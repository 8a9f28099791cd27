//! A first test file of a gate, from recorded evidence: what the gate says of it, and that it knows nothing where a
//! probe was denied. The cases that must fail are the author's.

use std::fmt::Write as _;

use crate::evidence::Evidence;
use crate::gates::{Gate, evaluate};
use crate::package::Package;

/// The text of `gate-tests/<gate>.toml`. `path` names the evidence from the package file's folder.
pub fn start(gate: &Gate, package: &Package, evidence: &Evidence, path: &str) -> String {
    let found = evaluate([gate], package, evidence).remove(0);
    let mut out = format!("# Tests of the gate {}: run them with `cutgate gates test`.\n", gate.id);
    let _ = write!(out, "# What each case starts from; `set` changes it.\nevidence = {}\n", quoted(path));
    let _ = write!(
        out,
        "\n[[case]]\nname = \"as it was recorded\"\nstate = \"{}\"\n# The gate said: {}\n",
        found.state.word(),
        found.reason.replace(['\n', '\r'], " ")
    );
    for name in gate.probes.keys() {
        let _ = write!(
            out,
            "\n[[case]]\nname = \"{name} was denied\"\nstate = \"UNKNOWN\"\nset.{name} = {{ \"$missing\" = \"denied\" }}\n"
        );
    }
    out.push_str("\n# Write a case for each check that fails, such as\n");
    for check in &gate.checks {
        let reads: Vec<String> = check.require.reads().into_iter().collect();
        let path = reads.iter().find(|path| gate.probes.contains_key(path.split('.').next().unwrap_or_default()));
        let path = path.map_or("probe.fact", String::as_str);
        let _ = write!(
            out,
            "#\n# [[case]]\n# name = \"{} fails\"\n# state = \"OPEN\"\n# check = \"{}\"\n# set.\"{path}\" = …\n",
            check.id, check.id
        );
    }
    out
}

/// A string in TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
