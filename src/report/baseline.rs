//! What got worse since a published audit that was proved before ([`super::prove`]). Pure.
//!
//! It says of each gate whether it is worse, new, the same or better. That nothing is worse is no readiness: a gate that was OPEN and
//! is OPEN blocks a run today as it did then. A gate whose rules are not those of the baseline cannot be compared with it and counts
//! as one that the baseline does not have.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dossier::GateView;
use super::{Authorship, Proved};
use crate::evidence::{Fact, ProbeId};
use crate::gates::{GapState, Gate, Loaded};

/// A published audit, and what became of each gate since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// Its number.
    pub number: String,
    /// Its folder.
    pub folder: String,
    /// When it was made, RFC 3339 with seconds.
    pub utc: String,
    /// Who made it, as far as signatures say.
    pub signed: String,
    /// What a reader must know before the rest: another package, another user.
    pub remarks: Vec<String>,
    /// Every gate that was judged now, in its order, then those that are gone.
    pub gates: Vec<GateSince>,
}

/// What became of a gate since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateSince {
    /// The gate.
    pub id: String,
    /// The gap that it closes.
    pub gap: String,
    /// What became of it.
    pub since: Since,
    /// Its state then; nothing where there is none to compare with.
    pub old: Option<GapState>,
    /// Its state now; nothing where the package does not have it any more.
    pub new: Option<GapState>,
    /// The same in words.
    pub said: String,
}

/// What became of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// Its state is worse, is not known any more, cannot be compared and is not CLOSED, or nobody judges it any more.
    Worse,
    /// There is nothing to compare it with, and it is CLOSED.
    New,
    /// Its state is the same.
    Same,
    /// Its state is better.
    Better,
}

impl Since {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Worse, Self::New, Self::Same, Self::Better];

    /// The word that outputs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::New => "new",
            Self::Same => "same",
            Self::Better => "better",
        }
    }

    /// What became of a gate with these states; `old` is nothing where there is none to compare with.
    pub fn of(old: Option<GapState>, new: GapState) -> Self {
        match (old, new) {
            (None, GapState::Closed) => Self::New,
            (None, GapState::Waived | GapState::Partial | GapState::Unknown | GapState::Open) => Self::Worse,
            (Some(old), new) if old == new => Self::Same,
            (Some(_), GapState::Unknown) => Self::Worse,
            // What it was is not known, so neither is whether it got worse.
            (Some(GapState::Unknown), GapState::Closed) => Self::Better,
            (Some(GapState::Unknown), GapState::Waived | GapState::Partial | GapState::Open) => Self::Worse,
            (Some(old), new) if new < old => Self::Better,
            (Some(_), _) => Self::Worse,
        }
    }
}

impl GateSince {
    /// Whether it blocks. A waiver in force is what somebody who may has accepted.
    pub fn blocks(&self) -> bool {
        self.since == Since::Worse && self.new != Some(GapState::Waived)
    }
}

impl Baseline {
    /// Compares gates that were judged now with those of a published audit.
    pub fn of(old: &Proved, loaded: &Loaded, judged: &[GateView]) -> Self {
        let (then, now) = (&old.loaded.package, &loaded.package);
        let mut remarks = Vec::new();
        for (what, then, now) in [("package", &then.macro_id, &now.macro_id), ("host", &then.host, &now.host)] {
            if then != now {
                remarks
                    .push(format!("it is of the {what} {then:?}, and this is {now:?}: nothing of it can be compared"));
            }
        }
        let comparable = remarks.is_empty();
        let gates = judged.iter().map(|view| {
            let finding = &view.finding;
            let (before, unlike) = match (rules_of(&old.loaded, &finding.id), rules_of(loaded, &finding.id)) {
                _ if !comparable => (None, "another package's"),
                (None, _) => (None, "not in the baseline"),
                (Some(then), Some(now)) if then == now => (state(old, &finding.id), ""),
                (Some(_), _) => (None, "other rules than in the baseline"),
            };
            let said = match before {
                Some(before) => format!("{} → {}", before.word(), finding.state.word()),
                None => format!("{}, {unlike}", finding.state.word()),
            };
            let since = Since::of(before, finding.state);
            let (id, gap) = (finding.id.clone(), finding.gap.clone());
            GateSince { id, gap, since, old: before, new: Some(finding.state), said }
        });
        let gone = old.loaded.gates.iter().filter(|gate| !loaded.gates.iter().any(|now| now.id == gate.id));
        let gone = gone.map(|gate| {
            let before = state(old, &gate.id);
            let said = format!("{} → no such gate any more", before.map_or("not known", GapState::word));
            GateSince { id: gate.id.clone(), gap: gate.gap.clone(), since: Since::Worse, old: before, new: None, said }
        });
        let authorship = &old.replayed.authorship;
        Self {
            number: old.dossier.audit.number.clone(),
            folder: old.dossier.reports_dir.clone(),
            utc: old.dossier.audit.utc.clone(),
            signed: match authorship {
                Authorship::Proved(_) => format!("proved: {authorship}"),
                Authorship::Claimed(_) | Authorship::Unsigned => format!("who made it is not proved: {authorship}"),
            },
            gates: gates.chain(gone).collect(),
            remarks,
        }
    }

    /// The gates that block.
    pub fn blocking(&self) -> impl Iterator<Item = &GateSince> {
        self.gates.iter().filter(|gate| gate.blocks())
    }

    /// What became of a gate.
    pub fn gate(&self, id: &str) -> Option<&GateSince> {
        self.gates.iter().find(|gate| gate.id == id)
    }

    /// How many gates are in each kind.
    pub fn count(&self, since: Since) -> usize {
        self.gates.iter().filter(|gate| gate.since == since).count()
    }

    /// What was asked.
    pub fn asked(&self) -> String {
        format!("no gate is worse than in audit {}", self.number)
    }

    /// What came out, in a sentence that cannot be read as readiness.
    pub fn said(&self) -> String {
        let counts: Vec<String> =
            Since::ALL.into_iter().map(|since| format!("{} {}", self.count(since), since.word())).collect();
        let blocking: Vec<String> = self.blocking().map(|gate| format!("{} ({})", gate.id, gate.said)).collect();
        let remarks: String = self.remarks.iter().map(|remark| format!("; {remark}")).collect();
        let more = format!("({}; {}){remarks}", counts.join(", "), self.signed);
        match blocking.as_slice() {
            [] => format!("{} of {} {more}; no worse is not ready", self.asked(), self.utc),
            gates => format!("worse than in audit {} of {}: {} {more}", self.number, self.utc, gates.join(", ")),
        }
    }
}

/// The state of a gate in a published audit.
fn state(audit: &Proved, id: &str) -> Option<GapState> {
    audit.dossier.gates.iter().map(|view| &view.finding).find(|finding| finding.id == id).map(|finding| finding.state)
}

/// What makes a gate the same rule: its file, the questions of its probes, and the values of the package that its checks read.
type Rules<'a> = (Option<&'a [u8]>, BTreeMap<&'a str, &'a ProbeId>, BTreeMap<String, Option<Fact>>);

/// The rules of the gate with this id; `None` where there is no such gate.
fn rules_of<'a>(loaded: &'a Loaded, id: &str) -> Option<Rules<'a>> {
    loaded.gates.iter().find(|gate| gate.id == id).map(|gate| rules(loaded, gate))
}

fn rules<'a>(loaded: &'a Loaded, gate: &'a Gate) -> Rules<'a> {
    let variables = loaded.package.variables();
    let reads = gate.checks.iter().flat_map(|check| {
        let words = check.otherwise.reads();
        check.require.reads().into_iter().chain(words).chain(check.cites.iter().cloned())
    });
    let value = |path: String| {
        let (table, rest) = path.split_once('.').unwrap_or((path.as_str(), ""));
        let of = variables.get(table)?;
        let value = if rest.is_empty() { Some(of.clone()) } else { of.at(rest).cloned() };
        Some((path.clone(), value))
    };
    let probes = gate.probes.iter().map(|(name, used)| (name.as_str(), &used.id)).collect();
    (loaded.files.get(&gate.file).map(Vec::as_slice), probes, reads.filter_map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All thirty pairs: nothing that is not known counts as no worse, then or now, but what is as unknown as it was.
    #[test]
    fn every_pair_of_states() {
        use GapState::{Closed, Open, Partial, Unknown, Waived};
        let row = |old: Option<GapState>| {
            [Closed, Waived, Partial, Open, Unknown].map(|new| Since::of(old, new).word()).join(" ")
        };
        assert_eq!(row(None), "new worse worse worse worse");
        assert_eq!(row(Some(Closed)), "same worse worse worse worse");
        assert_eq!(row(Some(Waived)), "better same worse worse worse");
        assert_eq!(row(Some(Partial)), "better better same worse worse");
        assert_eq!(row(Some(Open)), "better better better same worse");
        assert_eq!(row(Some(Unknown)), "better worse worse worse same");
    }
}
