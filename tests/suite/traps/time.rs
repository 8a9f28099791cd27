//! Clocks that went back, and time that ran out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Trap;
use cutgate::probes::Secrets;
use cutgate::report::Claim;

/// A line in the ledger of the laboratory, of an audit at an instant.
fn earlier_audit(trap: &Trap, at: chrono::DateTime<chrono::Utc>) {
    let claim = Claim::take(&trap.path("reports"), at).unwrap();
    let files = BTreeMap::from([("08-x.md".to_owned(), b"# Report\n".to_vec())]);
    claim.publish(&files, "C", "BLOCKED_WITH_EXACT_O8_GAP", &[], &Secrets::default()).unwrap();
}

/// The ledger knows an audit that is later than now: ages are no ages, and nothing that rests on one can be said.
#[test]
fn a_clock_set_back_before_the_newest_audit() {
    let trap = Trap::new();
    earlier_audit(&trap, chrono::Utc::now() - chrono::Duration::minutes(3));
    assert_eq!(trap.audit().code, 0);
    earlier_audit(&trap, chrono::Utc::now() + chrono::Duration::minutes(3));
    let seen = trap.blocked();
    assert_eq!(seen.code, 3);
    seen.not_for_a_gap("the clock was set back");
    // An audit that said so does not set it right.
    assert_eq!(trap.blocked().code, 3);
}

/// Evidence that is later than now.
#[test]
fn a_clock_set_back_before_the_newest_evidence() {
    // A lock from the future is young for ever.
    let trap = Trap::new();
    trap.shell("touch -d '+2 hours' host/var/lib/cutter/locks/run.lock");
    trap.blocked().only("GAP-5", "OPEN", "younger than this audit");
    // So is a dry run, a drill, a change set.
    let future = (chrono::Utc::now() + chrono::Duration::days(3)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let trap = Trap::new();
    trap.shell(&format!("sed -i -E 's/\"finished\": ?\"[^\"]*\"/\"finished\": \"{future}\"/' records/dry-run-*.json"));
    let seen = trap.blocked();
    assert_eq!([&seen.gaps["GAP-2"].0, &seen.gaps["GAP-8"].0], ["UNKNOWN", "UNKNOWN"], "{:#?}", seen.gaps);
    let trap = Trap::new();
    let operator = &trap.lab.shared.built.keys.operator;
    trap.shell(&format!(
        "sed -i -E 's/\"finished\": ?\"[^\"]*\"/\"finished\":\"{future}\"/' records/drills/first.json"
    ));
    trap.shell(&format!(
        "rm records/drills/first.json.asc && gpg --homedir keys/home --batch --local-user {operator} --armor --detach-sign records/drills/first.json"
    ));
    trap.blocked().only("GAP-6", "UNKNOWN", "in the future");
    let trap = Trap::new();
    trap.shell(&format!("sqlite3 governance.db \"UPDATE cutter_governance_cut_change_set SET opened_utc = '{future}' WHERE target_id = 'ICX-GLOSS'\""));
    trap.blocked().only("GAP-8", "OPEN", "C7");
}

/// A key that is not made yet, by the clock that is wrong.
#[test]
fn a_clock_set_back_before_the_key_was_made() {
    let trap = Trap::new();
    let old = trap.lab.shared.built.keys.backup.to_string();
    trap.shell("mkdir -m 700 new && gpg --homedir new --batch --quiet --faked-system-time 20991231T000000 --passphrase '' --quick-gen-key backup rsa2048 default never");
    trap.shell("gpg --homedir new --batch --quiet --export | gpg --homedir gnupg --batch --quiet --no-autostart --import; gpgconf --homedir new --kill all");
    trap.shell(&format!(
        "new=$(gpg --homedir new --batch --with-colons --fingerprint | awk -F: '/^fpr/ {{ print $10; exit }}'); sed -i \"s/{old}/$new/\" cutgate.toml host/etc/cutter/cutter.env; rm -r new"
    ));
    assert_ne!(trap.blocked().gaps["GAP-3"].0, "CLOSED");
}

/// A tool and a measure that do not answer: the audit ends at its deadline, says what it did not reach, and what it
/// did reach stands.
#[test]
fn an_evaluation_cut_short_by_the_deadline() {
    let limits = "audit = \"120s\"\nprobe = \"30s\"\nread = \"10s\"";
    let trap = Trap::new();
    trap.tool("#!/bin/sh\nexec sleep 600\n").replace(
        "cutgate.toml",
        limits,
        "audit = \"5s\"\nprobe = \"5s\"\nread = \"5s\"",
    );
    let begun = Instant::now();
    let seen = trap.blocked();
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    assert_eq!(seen.code, 3);
    assert_eq!(seen.gaps["GAP-1"].0, "UNKNOWN", "{:#?}", seen.gaps);
    assert!(seen.gaps["GAP-1"].1.contains("timed out"), "{:?}", seen.gaps["GAP-1"]);
    // The others do not wait for a tool; on a machine that is busy enough the deadline comes before some of them too.
    // What the analysis of the code says when its time is over is not this test's matter.
    let aside = ["GAP-1", "GAP-7", "GAP-9"];
    let others = || seen.gaps.iter().filter(|(gap, _)| !aside.contains(&gap.as_str()));
    assert!(others().any(|(_, (state, _))| state == "CLOSED"), "{:#?}", seen.gaps);
    let told = |(state, reason): &(String, String)| {
        state == "CLOSED" || reason.contains("timed out") || reason.contains("time")
    };
    assert!(others().all(|(_, gap)| told(gap)), "{:#?}", seen.gaps);
    // What was to be measured at the end was not reached, or not all of it, and is not attested.
    let rows = seen.result["attestation"].as_array().unwrap();
    let unread = rows.iter().filter(|row| row["status"] == "NOT ATTESTED").count();
    assert!(unread > 0, "{rows:#?}");
    assert_eq!(seen.result["reports"].as_array().unwrap().len(), 9);

    // Every gate is closed, and one invariant was not measured again: it may have changed.
    let trap = Trap::new();
    trap.shell("printf '#!/bin/sh\\nif [ -e again ]; then exec sleep 600; fi\\ntouch again\\necho tool 1.0\\n' > slow && chmod 755 slow");
    let slow = trap.path("slow");
    trap.shell(&format!("sed -i \"s#again#{}/again#g\" slow", trap.lab.dir.display()));
    let measure = format!(
        "[measure.slow]\nkind = \"host\"\ntool_timeout = \"1s\"\ntools = [\"{}\"]\n\n[[forbidden]]\nid = \"tool\"\naction = \"Another tool\"\nbasis = \"measured\"\nmeasures = [\"slow.tools\"]\n\n[limits]",
        slow.display()
    );
    trap.replace("cutgate.toml", "[limits]", &measure);
    let seen = trap.blocked();
    assert_eq!(seen.code, 3);
    seen.not_for_a_gap("could not be measured");
}
