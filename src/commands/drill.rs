//! `drill`: rehearses the revert on a scratch copy of the registry, and writes the signed record of it.

use std::fmt::Write as _;
use std::mem::ManuallyDrop;
use std::path::Path;

use chrono::TimeDelta;

use super::interrupt::Interrupts;
use super::request::random;
use super::run::{heard, request_rules, signer, swept};
use super::{CommandError, output, session};
use crate::evidence::{DrillPublished, DrillRecord, Fact, canonical_json};
use crate::execute::{Drill, Means, RunLock};
use crate::gates::Gate;
use crate::probes::{Stop, parse_duration};
use crate::report::escape::terminal;
use crate::report::{Claim, DRILL, DRILL_SIGNATURE, PublishError, Tool, sync_dir, write_synced};

pub fn run(package: &Path) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    let loaded = session::load(package)?;
    let rules = request_rules(&loaded)?;
    let refused = |reason: String| CommandError::Refused(vec![reason]);
    let (Some(run), Some(drill)) = (&loaded.package.run, &loaded.package.drill) else {
        return Err(refused(
            "the package has no [run] and [drill]: docs/executor-contract.md describes them".to_owned(),
        ));
    };
    let registry = session::registry(&loaded).map_err(refused)?;
    if rules.target.is_empty() {
        return Err(refused(
            "the package names no target: fill in what `target` in [request] refers to, and see cutgate explain GAP-8"
                .to_owned(),
        ));
    }
    let operator = signer(&loaded, rules, &loaded.package.trust.operator, "operator").map_err(refused)?;
    let auditor = signer(&loaded, rules, &loaded.package.trust.auditor, "auditor").map_err(refused)?;
    let requests = loaded.place.locate(Path::new(&rules.requests));
    let _lock = RunLock::take(&requests).map_err(refused)?;
    swept(&requests);
    let of_tree = |gate: &&Gate| gate.probes.values().any(|used| used.id == rules.tree.probe);
    let gates: Vec<&Gate> = loaded.gates.iter().filter(of_tree).collect();
    let session::Collected { evidence, secrets } = session::collect_evidence(&loaded, &gates, false, None, &interrupts);
    let evidence = ManuallyDrop::into_inner(evidence);
    let tree = evidence.probes.get(&rules.tree.probe).map(|seen| rules.tree.value(&seen.facts));
    let tree_digest = match tree {
        Some(Ok(Fact::Text(digest))) => digest,
        Some(Err(reason)) => return Err(refused(format!("the deployed tree: {reason}"))),
        Some(Ok(_)) | None => return Err(refused("the digest of the deployed tree is not known".to_owned())),
    };
    let four = || random().map_err(|error| error.to_string());
    let say = |what: &str| anstream::eprintln!("rehearsing {}", terminal(what));
    let signal = heard();
    let means = Means {
        loaded: &loaded,
        rules: run,
        registry: &registry,
        secrets: &secrets,
        signal: &signal,
        now: &session::now,
    };
    let rehearsal = Drill {
        means,
        rules: drill,
        requests,
        target: rules.target.clone(),
        tree_digest,
        operator: session::user(),
        signer: &auditor,
        random: &four,
        say: &say,
    };
    let (text, code) = interrupts.undisturbed(|_| {
        let rehearsed = rehearsal.rehearse().map_err(refused)?;
        let root = loaded.place.package_dir.join("reports");
        let claim = Claim::take(&root, rehearsed.record.finished)?;
        let age = loaded.package.params.get("drill_max_age").map(|age| age.json());
        let age = age.as_ref().and_then(|age| age.as_str()).and_then(parse_duration);
        let next_due = age.and_then(|age| rehearsed.record.finished.checked_add_signed(TimeDelta::from_std(age).ok()?));
        let published = DrillPublished {
            number: claim.sequence(),
            previous: claim.previous().clone(),
            tool: format!("{} {}", Tool::THIS.name, Tool::THIS.version),
            executor_sha256: rehearsed.executor_sha256.clone(),
            revert_seconds: rehearsed.times.revert,
            restore_seconds: rehearsed.times.restore,
            data_age_seconds: rehearsed.times.data_age,
            next_due,
        };
        let record = DrillRecord { published: Some(published), ..rehearsed.record.clone() };
        let bytes = canonical_json(&record);
        let signature = operator.sign(&bytes, session::now(), &Stop::default())?;
        // In the chain first: a record that closes a gap is never one that the ledger does not know.
        let chained = [(DRILL.to_owned(), bytes.clone()), (DRILL_SIGNATURE.to_owned(), signature.clone())];
        let chained = claim.publish_drill(&chained.into(), &[operator.fingerprint().clone()], &secrets)?;
        let folder = loaded.place.locate(Path::new(&drill.records));
        let stamp = rehearsed.record.finished.format("%Y%m%dT%H%M%SZ");
        let name = format!("drill-{stamp}.json");
        let files = [(name.clone(), bytes), (format!("{name}.asc"), signature)];
        write_synced(&folder, &files.into_iter().collect())?;
        let io = |error| PublishError::Io { tried: "sync", path: folder.clone(), error };
        sync_dir(&folder).map_err(io)?;
        let mut text = String::new();
        for phase in &rehearsed.record.phases {
            let word = if phase.restored() { "brought back" } else { "NOT BROUGHT BACK" };
            let _ = writeln!(text, "{word}: {}", terminal(&phase.name));
        }
        for problem in &rehearsed.problems {
            let _ = writeln!(text, "- {}", terminal(problem));
        }
        let compared = if rehearsed.record.restore_compared { "restored and compared" } else { "NOT COMPARED" };
        let _ = writeln!(text, "dump: {compared} (E{})", rehearsed.record.level.number());
        let times = rehearsed.times;
        let _ = writeln!(
            text,
            "recovery: revert within {} s, restore within {} s; age of the dump's data: {} s",
            times.revert, times.restore, times.data_age
        );
        let _ = writeln!(text, "published: {}", terminal(&chained.display().to_string()));
        let _ = writeln!(text, "record: {}", terminal(&format!("{}/{name}", drill.records)));
        Ok::<_, CommandError>((text, u8::from(!rehearsed.problems.is_empty())))
    })?;
    output::to_stdout_without(&secrets, &text)?;
    Ok(code)
}
