//! What a person decided about a run that no command can bring to an end: a document with a detached signature beside it, as
//! approvals are. It counts for one run, as it stood when the decision was made, and says nothing of how the run went.

use chrono::DateTime;

use crate::evidence::{Digest256, Instant, RunId};
use crate::package::Trust;
use crate::probes::front_matter;
use crate::report::utc;
use crate::trust::{CLOCK_SKEW, Cert, Fingerprint, verify_detached};

/// The longest decision that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A decision that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub said: String,
    /// When, as it says.
    pub utc: Instant,
    /// Whose signatures count.
    pub signers: Vec<Fingerprint>,
}

/// What a decision must be about.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The digest of its journal's last line.
    pub journal: &'a Digest256,
    /// When that line was written: nobody decided before.
    pub since: Instant,
    /// Whose signatures count.
    pub trust: &'a Trust,
    /// Their certificates.
    pub certs: &'a [Cert],
    /// Now.
    pub now: Instant,
}

impl Decision {
    /// Judges a decision by its own bytes and those of its signatures.
    ///
    /// # Errors
    /// Everything that speaks against it.
    pub fn judge(bytes: &[u8], signature: &[u8], wanted: Wanted<'_>) -> Result<Self, Vec<String>> {
        let text = std::str::from_utf8(bytes).map_err(|_| vec!["the decision is not UTF-8".to_owned()])?;
        if bytes.len() > MAX_BYTES {
            return Err(vec![format!("the decision has {} bytes, more than {MAX_BYTES}", bytes.len())]);
        }
        let parts = front_matter::split(text).map_err(|broken| vec![format!("the decision, {broken}")])?;
        let fields = parts.fields.unwrap_or_default();
        let field = |name: &str| fields.text(name).unwrap_or_default();
        let mut against = Vec::new();
        for (name, value) in
            [("kind", "closure"), ("run_id", wanted.run_id.as_str()), ("journal_sha256", wanted.journal.as_str())]
        {
            let found = field(name);
            if found != value {
                against.push(format!("{name} must be {value}, and is {found:?}"));
            }
        }
        let said = field("decision");
        if said.is_empty() || said.starts_with('<') {
            against.push("decision does not say what was decided".to_owned());
        }
        let given = field("decided_utc");
        let decided = DateTime::parse_from_rfc3339(&given).map(|at| at.to_utc());
        match decided {
            Err(_) => against.push(format!("decided_utc must be an instant (RFC 3339), and is {given:?}")),
            Ok(at) if at > wanted.now + CLOCK_SKEW => against.push(format!("decided_utc {} lies ahead", utc(at))),
            Ok(at) if at < wanted.since - CLOCK_SKEW => {
                let since = utc(wanted.since);
                against.push(format!("decided_utc {} lies before what is to be decided, {since}", utc(at)));
            }
            Ok(_) => {}
        }
        let decided = decided.unwrap_or(wanted.now);
        let verdict = verify_detached(signature, bytes, wanted.certs, &wanted.trust.sovereign, wanted.now);
        let (early, counted): (Vec<_>, Vec<_>) =
            verdict.counted.iter().partition(|counted| counted.created < decided - CLOCK_SKEW);
        against.extend(early.iter().map(|it| format!("{} signed before decided_utc", it.signer)));
        let threshold = wanted.trust.sovereign_threshold.max(1);
        if counted.len() < threshold {
            let why = if verdict.refused.is_empty() { String::new() } else { format!(": {}", verdict.reasons()) };
            against.push(format!("{} of {threshold} signatures of the sovereign count{why}", counted.len()));
        }
        let signers = counted.into_iter().map(|it| it.signer.clone()).collect();
        if against.is_empty() { Ok(Self { said, utc: decided, signers }) } else { Err(against) }
    }
}
