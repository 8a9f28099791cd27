//! What the detached signature beside a document is worth.

use super::document::{Document, SignatureFile};
use super::fields::{at, end, signed_utc};
use super::judge::{Reason, Rules, SignedDocument, Verdict, Verifier};
use super::kinds::gate_among;
use crate::evidence::MissingState;
use crate::trust::{CLOCK_SKEW, Counted};

/// The signatures of one document, judged.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    /// The pinned keys whose signature holds; `None` where that could not be told.
    pub signers: Option<Vec<String>>,
    /// Why the signatures are not enough; empty where they are.
    pub reasons: Vec<Reason>,
}

impl Signed {
    /// The signatures of something that they cannot make an approval.
    pub(super) fn unasked(document: &Document) -> Self {
        let reasons = match document.signature {
            SignatureFile::Absent => vec![Reason::invalid("no detached signature beside it")],
            SignatureFile::Present(_) | SignatureFile::Unreadable(_) => Vec::new(),
        };
        Self { signers: Some(Vec::new()), reasons }
    }

    /// The signatures of an approval: by enough distinct pinned keys, each made within the time that the document
    /// gives itself. A date later than the signature would stretch the time to live.
    pub(super) fn approval(document: &Document, rules: &Rules, verify: &Verifier<'_>) -> Self {
        let (mut counted, mut refused) = match Self::judged(document, verify) {
            Ok(judged) => judged,
            Err(signed) => return signed,
        };
        let gate = gate_among(document, rules);
        if let Some((signed, end)) = signed_utc(document).and_then(|signed| Some((signed, end(gate?, signed)?))) {
            counted.retain(|it| {
                let early = it.created + CLOCK_SKEW < signed;
                let late = it.created >= end;
                let made = || format!("{}: signed at {}", it.signer, at(it.created));
                if early {
                    refused.push(format!("{}, before the document's own signed_utc {}", made(), at(signed)));
                } else if late {
                    refused.push(format!("{}, after its time was over at {}", made(), at(end)));
                }
                !early && !late
            });
        }
        let few = counted.len() < rules.threshold;
        let why = match (counted.len(), rules.threshold) {
            (0, 1) => refused.join("; "),
            (0, _) if refused.is_empty() => "no signature of the sovereign's".to_owned(),
            (have, want) => {
                let others = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) };
                format!("signed by {have} of the {want} keys that must sign{others}")
            }
        };
        Self { signers: Some(names(&counted)), reasons: few.then(|| Reason::invalid(why)).into_iter().collect() }
    }

    /// The signatures of a revocation: one pinned key makes it signed, whenever it was made. An unsigned revocation
    /// takes back as well: refusing is the safe side.
    pub(super) fn revocation(document: &Document, verify: &Verifier<'_>) -> Self {
        match Self::judged(document, verify) {
            Ok((counted, _)) => Self { signers: Some(names(&counted)), reasons: Vec::new() },
            Err(signed) => signed,
        }
    }

    /// Whose a revocation is, in a phrase.
    pub(super) fn by(&self) -> String {
        match &self.signers {
            None => "whether it is signed could not be told".to_owned(),
            Some(signers) if signers.is_empty() => "not signed by the sovereign; refusing is the safe side".to_owned(),
            Some(signers) => format!("signed by {}", signers.join(", ")),
        }
    }

    /// What the verifier says; `Err` where it cannot be asked.
    fn judged(document: &Document, verify: &Verifier<'_>) -> Result<(Vec<Counted>, Vec<String>), Self> {
        match &document.signature {
            SignatureFile::Absent => Err(Self {
                signers: Some(Vec::new()),
                reasons: vec![Reason::invalid("no detached signature beside it")],
            }),
            SignatureFile::Unreadable(why) => {
                let why = format!("its detached signature could not be read: {why}");
                Err(Self { signers: None, reasons: vec![Reason::unknown(MissingState::Unreadable, why)] })
            }
            SignatureFile::Present(signature) => {
                match verify(&SignedDocument { path: &document.path, bytes: &document.bytes, signature }) {
                    Verdict::Judged { counted, refused } => Ok((counted, refused)),
                    Verdict::Unknown(missing) => {
                        let why = format!("{}: {}", missing.state.word(), missing.said);
                        let why = format!("the sovereign's keys could not be read ({why})");
                        Err(Self { signers: None, reasons: vec![Reason::unknown(missing.state, why)] })
                    }
                }
            }
        }
    }
}

fn names(counted: &[Counted]) -> Vec<String> {
    counted.iter().map(|it| it.signer.to_string()).collect()
}
