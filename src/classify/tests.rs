//! The whole domain, enumerated; and that it is monotonic.

use super::*;

const RUNS: [RunOutcome; 7] = [
    RunOutcome::NotStarted,
    RunOutcome::Unseen,
    RunOutcome::Verified,
    RunOutcome::RolledBack,
    RunOutcome::RollbackUnverified,
    RunOutcome::CompensationRequired,
    RunOutcome::Interrupted,
];
const INVARIANTS: [Invariants; 3] = [Invariants::Held, Invariants::Changed, Invariants::Unknown];

fn approvals() -> Vec<Approval> {
    vec![
        Approval::Absent,
        Approval::Valid,
        Approval::Invalid(vec!["unsigned".to_owned()]),
        Approval::Expired,
        Approval::Revoked,
        Approval::Consumed,
        Approval::Unknown("the knowledge base is denied".to_owned()),
    ]
}

fn gap(id: &str, class: GapClass, state: GapState, rank: i64) -> GapStanding {
    GapStanding { id: id.to_owned(), class, state, rank }
}

fn gaps(first: GapState, second: GapState, authority: GapState) -> Vec<GapStanding> {
    vec![
        gap("GAP-1", GapClass::Technical, first, 2),
        gap("GAP-9", GapClass::Technical, second, 1),
        gap("GAP-7", GapClass::Authority, authority, 3),
    ]
}

fn every_state() -> Vec<(GapState, GapState, GapState)> {
    let mut all = Vec::new();
    for first in GapState::JUDGED {
        for second in GapState::JUDGED {
            for authority in GapState::JUDGED {
                all.push((first, second, authority));
            }
        }
    }
    all
}

/// Two technical gaps and the authority's, in every state, with every approval, invariant and run: one line
/// each, so that a person can review the whole of it.
#[test]
fn the_whole_table() {
    let mut table = String::from(
        "# GAP-1    GAP-9    GAP-7    approval invariants run                    result\n# rank 2   rank 1   authority\n",
    );
    for (first, second, authority) in every_state() {
        for approval in approvals() {
            for invariants in INVARIANTS {
                for run in RUNS {
                    let ruling = classify(&gaps(first, second, authority), &approval, invariants, run);
                    table.push_str(&format!(
                        "{:<8}   {:<8} {:<8} {:<8} {:<10} {:<22} {} {}{}{}\n",
                        first.word(),
                        second.word(),
                        authority.word(),
                        approval.word(),
                        format!("{invariants:?}").to_lowercase(),
                        format!("{run:?}"),
                        ruling.letter.word(),
                        ruling.label,
                        if ruling.qualifier.is_empty() { String::new() } else { format!("/{}", ruling.qualifier) },
                        if ruling.blocked_by.is_empty() {
                            String::new()
                        } else {
                            format!(" by {}", ruling.blocked_by.join("+"))
                        },
                    ));
                }
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/classification.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(path).expect("the golden table");
    assert!(golden == table, "the classification changed; review it with UPDATE_GOLDEN=1 and git diff");
}

/// Closing a gap never makes the result worse, opening one never better, and not knowing is never better than
/// knowing that it is open. Enumerated.
#[test]
fn monotonic() {
    for (first, second, authority) in every_state() {
        for approval in approvals() {
            for invariants in INVARIANTS {
                for run in RUNS {
                    let letter = |gaps: Vec<GapStanding>| classify(&gaps, &approval, invariants, run).letter;
                    let now = letter(gaps(first, second, authority));
                    let turns: [&dyn Fn(GapState) -> Vec<GapStanding>; 3] =
                        [&|state| gaps(state, second, authority), &|state| gaps(first, state, authority), &|state| {
                            gaps(first, second, state)
                        }];
                    for turn in turns {
                        let [closed, partial, unknown, open] = GapState::JUDGED.map(|state| letter(turn(state)));
                        assert!(closed <= now, "closing a gap made {now:?} worse");
                        assert!(closed <= partial && closed <= open, "opening a gap made {closed:?} better");
                        assert!(partial <= unknown && open <= unknown, "not knowing a gap made {open:?} better");
                    }
                }
            }
        }
    }
}

/// Law 1, law 8 and law 10 over the whole domain.
#[test]
fn nothing_unproved_is_a_or_b() {
    for (first, second, authority) in every_state() {
        for approval in approvals() {
            for invariants in INVARIANTS {
                for run in RUNS {
                    let ruling = classify(&gaps(first, second, authority), &approval, invariants, run);
                    let closed = first == GapState::Closed && second == GapState::Closed;
                    if run == RunOutcome::Unseen {
                        assert_eq!(ruling.letter, Letter::C);
                    }
                    if ruling.letter <= Letter::B {
                        assert!(closed && invariants == Invariants::Held);
                    }
                    if ruling.letter == Letter::A {
                        assert!(run == RunOutcome::Verified && approval == Approval::Valid);
                        assert_eq!(authority, GapState::Closed);
                    }
                    let started = ![RunOutcome::NotStarted, RunOutcome::Unseen].contains(&run);
                    assert_eq!(ruling.letter == Letter::D, started && ruling.letter != Letter::A);
                    assert_eq!(ruling.not.len(), 3);
                    assert_eq!(ruling.decisive.is_empty(), closed);
                    assert_eq!(ruling.qualifier.is_empty(), ruling.letter != Letter::D);
                }
            }
        }
    }
}

/// A valid approval that does not close the authority's gap, such as one for the enact alone, is no contradiction.
#[test]
fn an_approval_of_another_step_is_said_to_be_one() {
    let gaps = gaps(GapState::Closed, GapState::Closed, GapState::Open);
    let ruling = classify(&gaps, &Approval::Valid, Invariants::Held, RunOutcome::NotStarted);
    assert_eq!(ruling.letter, Letter::C);
    let reason = "the approval is valid, and the authority's gap is not closed.";
    assert!(ruling.not.iter().any(|not| not.letter == Letter::B && not.reason == reason), "{ruling:?}");
}

/// Law 2: a package without technical gaps has proved nothing.
#[test]
fn no_gaps_is_blocked() {
    let ruling = classify(&[], &Approval::Absent, Invariants::Held, RunOutcome::NotStarted);
    assert_eq!(ruling.letter, Letter::C);
    let only = [gap("GAP-7", GapClass::Authority, GapState::Closed, 1)];
    assert_eq!(classify(&only, &Approval::Valid, Invariants::Held, RunOutcome::NotStarted).letter, Letter::C);
}

/// Every reason that is given for not being some letter is so.
#[test]
fn every_reason_is_true() {
    let mut given = std::collections::BTreeSet::new();
    for (first, second, authority) in every_state() {
        for approval in approvals() {
            for invariants in INVARIANTS {
                for run in RUNS {
                    let ruling = classify(&gaps(first, second, authority), &approval, invariants, run);
                    let unseen = run == RunOutcome::Unseen;
                    let started = !unseen && run != RunOutcome::NotStarted;
                    let closed = first == GapState::Closed && second == GapState::Closed;
                    let valid = approval == Approval::Valid;
                    let permitted = valid && authority == GapState::Closed;
                    for NotLetter { letter, reason } in &ruling.not {
                        let is_so = match (letter, reason.as_str()) {
                            (Letter::A | Letter::B | Letter::D, "whether a run was started is not known.") => unseen,
                            (Letter::A, "no run was started.") => !started && !unseen,
                            (Letter::A, "the state after the run was not verified by re-reading.") => {
                                started && run != RunOutcome::Verified
                            }
                            (Letter::A, "the run was made although a technical gap was not closed.") => {
                                started && !closed
                            }
                            (Letter::A, "an invariant changed.") => invariants == Invariants::Changed,
                            (Letter::A, "whether the invariants held is not known.") => {
                                invariants == Invariants::Unknown
                            }
                            (Letter::A, "the run was made without a valid approval.") => started && !permitted,
                            (Letter::B, "a run was started.") => started,
                            (Letter::B, "a run is technically impossible, not merely unsigned.") => !closed,
                            (Letter::B, "an invariant changed while the audit was reading.") => {
                                invariants == Invariants::Changed
                            }
                            (Letter::B, "whether the invariants held while the audit was reading is not known.") => {
                                invariants == Invariants::Unknown
                            }
                            (Letter::B, "the approval is valid, and the authority's gap is not closed.") => {
                                valid && authority != GapState::Closed
                            }
                            (Letter::B, other) => {
                                let said = other.strip_prefix("an approval is not absent and not valid: it is ");
                                let word = if approval == Approval::Absent { "unknown" } else { approval.word() };
                                let unseen = authority == GapState::Unknown || approval != Approval::Absent;
                                !valid && unseen && said == Some(format!("{word}.").as_str())
                            }
                            (Letter::C, "a run was started, so that its outcome is the result.") => started,
                            (Letter::C, "every technical gap is closed and the approval is valid.") => {
                                closed && permitted
                            }
                            (Letter::C, "every technical gap is closed; only the approval is missing.") => {
                                closed && approval == Approval::Absent
                            }
                            (Letter::D, "no run was started; nothing to roll back.") => !started && !unseen,
                            (Letter::D, "the run ended verified.") => run == RunOutcome::Verified,
                            (Letter::A | Letter::C | Letter::D, _) => false,
                        };
                        assert!(
                            is_so,
                            "{letter:?}, {reason:?}: {first:?} {second:?} {authority:?} {approval:?} {run:?}"
                        );
                        given.insert(reason.clone());
                    }
                }
            }
        }
    }
    assert_eq!(given.len(), 22, "every reason is given somewhere: {given:#?}");
}

/// A waiver changes no result: a gap that is WAIVED is judged as one that is OPEN, in the whole domain.
#[test]
fn what_is_waived_is_judged_as_what_is_open() {
    let open = |state| if state == GapState::Waived { GapState::Open } else { state };
    for first in GapState::ALL {
        for second in GapState::ALL {
            for authority in GapState::ALL {
                for approval in approvals() {
                    for invariants in INVARIANTS {
                        for run in RUNS {
                            let ruling = |gaps: Vec<GapStanding>| classify(&gaps, &approval, invariants, run);
                            let waived = ruling(gaps(first, second, authority));
                            assert_eq!(waived, ruling(gaps(open(first), open(second), open(authority))));
                            let any = [first, second].contains(&GapState::Waived);
                            assert!(!any || waived.letter > Letter::B);
                            assert!(authority != GapState::Waived || waived.letter != Letter::A);
                        }
                    }
                }
            }
        }
    }
}
