//! The state matrix: every state in which a probe can find what it reads, made with the real thing and judged
//! by a rule and by its negation. `docs/probes.md` is written by these tests and compared with what they find.
//!
//! One file here for each family of probes, and in it one test for each section of the page:
//!
//! ```ignore
//! #[test]
//! fn folders() {
//!     let asked = Asked::of("provisioning", r#"paths = [{ path = "/var/runs", kind = "directory" }]"#)
//!         .rule("p.paths[0].matches")
//!         .shows(&["paths.0.exists", "paths.0.why"])
//!         .says("{p.paths[0].why}");
//!     states::matrix("provisioning", "What lies at the path.", vec![
//!         asked.table([
//!             state("absent, the folder above readable", Truth::Fails, |room| room.dir("var", 0o755)),
//!             state("the folder above has mode 000", Truth::CannotBeKnown, |room| {
//!                 room.dir("var/runs", 0o755);
//!                 room.mode("var", 0o000);
//!             })
//!             .as_nobody(),
//!         ]),
//!     ]);
//! }
//! ```
//!
//! Each state is a package on disk with two gates. It is loaded as any package is, its probe runs through
//! `probes::collect` under the package's limits, and both gates are evaluated. Whatever the page says,
//! [`check_laws`] holds of every row: nothing that could not be read closes a gate, neither by a rule nor by its
//! negation, and what is not closed says what was tried, by whom, what came back, and what to do next.
//!
//! `UPDATE_GOLDEN=1 scripts/test --test suite states::` writes the page; a section is written by its own test only.

mod code_path;
mod config;
pub mod container;
mod documents;
pub mod fuse;
mod host;
mod judge;
mod knowledge_base;
mod leftover_dumps;
mod limits;
mod mount;
mod openpgp_keyring;
mod page;
mod pg_principals;
mod pg_surface;
mod provisioning;
mod race;
mod records;
mod room;
pub mod services;
mod sql;
mod tree_manifest;

use std::time::{Duration, Instant};

use cutgate::evidence::{Evidence, Fact, Missing};
use cutgate::gates::expr::render_fact;
use cutgate::gates::{Finding, GapState};
use cutgate::probes::Limits;

use judge::{Judged, judge, load};
pub use mount::Mount;
pub use room::Room;

/// What is so in a state, as far as the reader can learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The rule holds: its gate is CLOSED, that of the negation OPEN.
    Holds,
    /// The rule does not hold: its gate is OPEN, that of the negation CLOSED.
    Fails,
    /// Who reads cannot learn it: both gates are UNKNOWN.
    CannotBeKnown,
    /// There is nothing that the rule could be about: no gate is CLOSED.
    Vacuous,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The user that runs the tests, which is root.
    Root,
    /// uid and gid 65534, no groups, no capabilities.
    Nobody,
}

impl Reader {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Nobody => "nobody",
        }
    }
}

/// What is asked: a probe, a rule over its facts, and what the page shows of them. The probe is called `p` in the
/// rule. In every text `<word>` stands for what [`Room::word`] gave that name, and `<package>` for the package folder.
#[derive(Clone)]
pub struct Asked {
    kind: &'static str,
    settings: String,
    rule: String,
    shows: Vec<&'static str>,
    says: String,
    rooted: bool,
}

impl Asked {
    /// A probe with its settings: lines of TOML. Absolute paths lie below the root prefix, the folder `host` of the room.
    pub fn of(kind: &'static str, settings: impl Into<String>) -> Self {
        let says = "the rule does not hold".to_owned();
        Self { kind, settings: settings.into(), rule: String::new(), shows: Vec::new(), says, rooted: true }
    }

    /// The rule, in CEL.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = rule.into();
        self
    }

    /// The facts that the page shows, as dotted paths below the probe; list items by number.
    pub fn shows(mut self, facts: &[&'static str]) -> Self {
        self.shows = facts.to_vec();
        self
    }

    /// What the gate says where the rule does not hold (its `otherwise`).
    pub fn says(mut self, text: impl Into<String>) -> Self {
        self.says = text.into();
        self
    }

    /// Without a root prefix: absolute paths are the machine's own, relative ones start in the package folder.
    pub fn on_this_machine(mut self) -> Self {
        self.rooted = false;
        self
    }

    /// A table of states that are asked this.
    pub fn table(&self, states: impl IntoIterator<Item = State>) -> Table {
        Table { asked: self.clone(), states: states.into_iter().collect() }
    }
}

/// A table of the page.
pub struct Table {
    asked: Asked,
    states: Vec<State>,
}

/// An audit of the room's package, made by another process.
type Elsewhere = Box<dyn Fn(&Room) -> Evidence>;

/// One state.
pub struct State {
    words: String,
    truth: Truth,
    make: Box<dyn Fn(&Room)>,
    reader: Reader,
    limits: Box<dyn Fn(&mut Limits)>,
    deadline: Duration,
    race: Option<&'static str>,
    masks: Vec<(&'static str, &'static str)>,
    elsewhere: Option<Elsewhere>,
}

/// The state that `make` makes, in words, and what is so in it. The room is the package folder; what must stay
/// alive while the probe runs (a mount, a server, a thread) is given to [`Room::keep`].
pub fn state(words: impl Into<String>, truth: Truth, make: impl Fn(&Room) + 'static) -> State {
    State {
        words: words.into(),
        truth,
        make: Box::new(make),
        reader: Reader::Root,
        limits: Box::new(|_| ()),
        deadline: Duration::from_secs(60),
        race: None,
        masks: Vec::new(),
        elsewhere: None,
    }
}

impl State {
    /// Read as an unprivileged user; root is refused nothing.
    #[allow(clippy::wrong_self_convention, reason = "a state is described by a chain of words: read as nobody")]
    pub fn as_nobody(mut self) -> Self {
        self.reader = Reader::Nobody;
        self
    }

    /// With other limits than the usual ones. Collecting must end within the limit of the probe and [`GRACE`].
    pub fn limits(mut self, limits: impl Fn(&mut Limits) + 'static) -> Self {
        self.limits = Box::new(limits);
        self
    }

    /// With this deadline of the whole audit.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Made by a second thread that may come too early or too late: tried again until the reason holds this text. The
    /// laws hold of every try, and the false gate is closed in none.
    pub fn race(mut self, met: &'static str) -> Self {
        self.race = Some(met);
        self
    }

    /// Collected by an audit elsewhere, such as in a container; only judged here.
    pub fn read_by(mut self, audit: impl Fn(&Room) -> Evidence + 'static) -> Self {
        self.elsewhere = Some(Box::new(audit));
        self
    }

    /// Replaces what a regular expression matches in the row, where it differs from run to run.
    pub fn mask(mut self, pattern: &'static str, by: &'static str) -> Self {
        self.masks.push((pattern, by));
        self
    }
}

/// How much later than its limit a collection may end on a busy machine.
pub const GRACE: Duration = Duration::from_secs(4);

/// How long a race is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// Produces every row, checks the laws, and compares the section `name` of the page, which must be one of [`SECTIONS`].
pub fn matrix(name: &str, about: &str, tables: Vec<Table>) {
    let mut text = format!("## {name}\n\n{about}\n");
    for table in tables {
        text.push_str(&page::head(&table.asked));
        for state in &table.states {
            text.push_str(&row(&table.asked, state));
        }
    }
    page::compare(name, &text);
}

fn row(asked: &Asked, state: &State) -> String {
    let room = Room::new(asked.rooted);
    (state.make)(&room);
    let loaded = load(asked, &room);
    let begun = Instant::now();
    loop {
        let judged = judge(&loaded, state, &room);
        let met = state.race.is_none_or(|met| judged.rule.reason.contains(met));
        check_laws(asked, state, &judged, met);
        if met {
            return page::row(asked, state, &judged, &room);
        }
        assert!(begun.elapsed() < PATIENCE, "{}: not met within {PATIENCE:?}", state.words);
    }
}

/// The states of both gates that the truth leads to.
fn expected(truth: Truth) -> (GapState, GapState) {
    match truth {
        Truth::Holds => (GapState::Closed, GapState::Open),
        Truth::Fails => (GapState::Open, GapState::Closed),
        Truth::CannotBeKnown => (GapState::Unknown, GapState::Unknown),
        Truth::Vacuous => (GapState::Open, GapState::Open),
    }
}

/// What holds of every row, whatever the page says.
fn check_laws(asked: &Asked, state: &State, judged: &Judged, met: bool) {
    let Judged { facts, rule, negation } = judged;
    let at = format!("{}, {}: {rule:#?}\n{negation:#?}\n{facts:#?}", asked.kind, state.words);
    let closed = |finding: &Finding| finding.state == GapState::Closed;
    assert!(!(closed(rule) && closed(negation)), "a rule and its negation both hold: {at}");
    match state.truth {
        Truth::Holds => assert!(!closed(negation), "the false one is closed: {at}"),
        Truth::Fails => assert!(!closed(rule), "the false one is closed: {at}"),
        // A race that was not met is an ordinary reading of what was there before or after.
        Truth::CannotBeKnown => assert!(!met || !(closed(rule) || closed(negation)), "closed without knowing: {at}"),
        Truth::Vacuous => assert!(!(closed(rule) || closed(negation)), "closed by nothing: {at}"),
    }
    if met {
        assert_eq!((rule.state, negation.state), expected(state.truth), "{at}");
    }
    for finding in [rule, negation].into_iter().filter(|finding| !closed(finding)) {
        assert!(!finding.reason.trim().is_empty(), "no reason: {at}");
        assert!(!finding.next.trim().is_empty(), "no next step: {at}");
        if finding.state == GapState::Unknown {
            let mut missing = Vec::new();
            all_missing(facts, &mut missing);
            let told = |missing: &&&Missing| {
                let parts = [&missing.tried, &missing.by, &missing.said, &missing.next];
                parts.iter().all(|part| !part.trim().is_empty())
                    && finding.reason.contains(&missing.to_string())
                    && finding.next == missing.next
            };
            assert!(missing.iter().any(|missing| told(&missing)), "it does not say what was tried: {at}");
        }
    }
}

fn all_missing<'a>(fact: &'a Fact, into: &mut Vec<&'a Missing>) {
    match fact {
        Fact::Missing(missing) => into.push(missing),
        Fact::List(items) => items.iter().for_each(|item| all_missing(item, into)),
        Fact::Map(map) => map.values().for_each(|item| all_missing(item, into)),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => {}
    }
}

/// The fact at a dotted path; items of a list by number. A path through a missing fact is that missing fact.
fn fact_at<'a>(facts: &'a Fact, path: &str) -> &'a Fact {
    path.split('.').fold(facts, |fact, name| match fact {
        Fact::Missing(_) => fact,
        Fact::List(items) => {
            let number: usize = name.parse().unwrap_or_else(|_| panic!("{name} in {path} is no number"));
            items.get(number).unwrap_or_else(|| panic!("no {path} in {facts:#?}"))
        }
        _ => fact.get(name).unwrap_or_else(|| panic!("no {path} in {facts:#?}")),
    })
}

/// A fact as the page shows it.
fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Missing(missing) => missing.state.word().to_owned(),
        Fact::Text(text) => format!("\"{text}\""),
        Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => render_fact(fact),
    }
}
