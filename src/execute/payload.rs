//! The payload of a request: everything that one run is, fixed.

use std::collections::BTreeMap;

use super::delegate::Program;
use super::registry::Registry;
use super::surface;
use crate::classify::Invariants;
use crate::evidence::{Digest256, Evidence, Fact, PAYLOAD_FORMAT, Payload, RunId, canonical_json};
use crate::gates::{AttestationStatus, Bound, GapState, Loaded, RequestRules};
use crate::package::GapClass;
use crate::report::{Dossier, RuleDigests, Templates, Tool};

/// Where the id of the run stands in the executor's command.
const RUN_ID: &str = "<RUN_ID>";
/// Where the permit stands in it.
const PERMIT: &str = "<PERMIT>";

/// Why no run may be requested: every technical gap that is not closed, every invariant that changed, and what keeps
/// from knowing whether one did. Empty where one may.
pub fn blocking(dossier: &Dossier) -> Vec<String> {
    let technical: Vec<_> = dossier.gaps.iter().filter(|gap| gap.class == GapClass::Technical).collect();
    let open = technical.iter().filter(|gap| gap.state != GapState::Closed);
    let mut reasons: Vec<String> =
        open.map(|gap| format!("{} ({}) is {}: {}", gap.id, gap.gate, gap.state.word(), gap.reason)).collect();
    if technical.is_empty() {
        reasons.push("the package has no technical gap, so that nothing was proved".to_owned());
    }
    let changed = dossier.attestation.iter().filter(|row| row.status == AttestationStatus::Changed);
    reasons.extend(changed.map(|row| format!("{} changed while the host was read: {}", row.action, row.ground)));
    let refused =
        dossier.refused_waivers().map(|waiver| format!("waivers/{} is refused: {}", waiver.file, waiver.said));
    reasons.extend(refused);
    if dossier.result.invariants == Invariants::Unknown {
        // Where a technical gap is open too, that is what the result names first.
        let what = if reasons.is_empty() { dossier.result.reason_blocking.as_str() } else { "see what an audit says" };
        reasons.push(format!("whether the invariants held while the host was read is not known: {what}"));
    }
    reasons
}

/// The payload of a run.
///
/// # Errors
/// Every reason why it cannot be fixed: a bound fact that could not be read, no executor, no target.
pub fn payload(
    loaded: &Loaded,
    rules: &RequestRules,
    evidence: &Evidence,
    templates: &Templates,
    registry: &Result<Registry, String>,
    run_id: RunId,
) -> Result<Payload, Vec<String>> {
    let mut reasons = Vec::new();
    let mut value = |bound: &Bound| {
        let seen = evidence.probes.get(&bound.probe);
        let value = seen.map_or_else(|| Err("it was not read".to_owned()), |seen| bound.value(&seen.facts));
        value.map_err(|error| reasons.push(format!("{} cannot be bound: {error}", bound.name))).ok()
    };
    let bound: BTreeMap<String, Fact> =
        rules.bind.iter().filter_map(|bound| Some((bound.name.clone(), value(bound)?))).collect();
    let tree = match value(&rules.tree) {
        Some(Fact::Text(digest)) => digest,
        Some(_) | None => String::new(),
    };
    if tree.is_empty() {
        reasons.push(format!("{} is no digest of the deployed tree", rules.tree.name));
    }
    if rules.target.is_empty() {
        reasons.push("no target is named".to_owned());
    }
    let executor = loaded.package.executor.clone().unwrap_or_default();
    for (what, argv) in [("argv", &executor.argv), ("revert", &executor.revert)] {
        for wanted in [RUN_ID, PERMIT].into_iter().filter(|wanted| !argv.iter().any(|it| it.contains(wanted))) {
            reasons.push(format!("the executor's {what} does not hand over the run: it needs {wanted} in an argument"));
        }
    }
    let dir = working_dir(loaded);
    let program = executor.argv.first().map(|name| Program::find(name, &executor.environment, &dir));
    let program = program.transpose().unwrap_or_else(|reason| {
        reasons.push(reason);
        None
    });
    let expected = match (&loaded.package.run, registry) {
        (None, _) => Err("the package has no [run]: what the run may change is not fixed".to_owned()),
        (_, Err(reason)) => Err(reason.clone()),
        (Some(rules), Ok(registry)) => surface::expected(rules, run_id.as_str(), registry),
    };
    let (Some(program), Ok(expected)) = (program, expected.map_err(|reason| reasons.push(reason))) else {
        return Err(reasons);
    };
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let fill = |argv: &[String]| argv.iter().map(|word| word.replace(RUN_ID, run_id.as_str())).collect::<Vec<_>>();
    let (argv, revert_argv) = (fill(&executor.argv), fill(&executor.revert));
    let digests = RuleDigests::of(&loaded.files, templates);
    Ok(Payload {
        format: PAYLOAD_FORMAT.to_owned(),
        run_id,
        utc: evidence.now,
        by: evidence.by.clone(),
        host: loaded.package.host.clone(),
        macro_id: loaded.package.macro_id.clone(),
        tool: format!("{} {}", Tool::THIS.name, Tool::THIS.version),
        package_sha256: digests.package,
        gates_sha256: digests.gates,
        templates_sha256: digests.templates,
        tree_digest: tree,
        target: rules.target.clone(),
        executor_argv_sha256: Digest256::of(&canonical_json(&argv)),
        executor_argv: argv,
        executor_program: program.path.display().to_string(),
        executor_program_sha256: program.sha256,
        revert_argv,
        environment: executor.environment,
        expected,
        bound_sha256: Digest256::of(&canonical_json(&bound)),
        bound,
    })
}

/// The folder that the executor works in.
pub fn working_dir(loaded: &Loaded) -> std::path::PathBuf {
    let dir = loaded.package.executor.as_ref().and_then(|executor| executor.dir.clone());
    loaded.place.package_dir.join(dir.unwrap_or_else(|| ".".to_owned()))
}
