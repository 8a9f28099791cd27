//! What probes are asked: the paths that the package names, its programs, its database, its keyring. Each alone, so that
//! one that does not answer keeps no other from answering.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Line;
use crate::commands::interrupt::Interrupts;
use crate::commands::session;
use crate::evidence::{Fact, Missing, Observation};
use crate::gates::Loaded;
use crate::probes::{Question, Secrets};
use crate::trust::Fingerprint;

/// What a question is about; the order is that of the lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Database,
    Keyring,
    /// A path, by its name in the package.
    Path(String, String),
    /// A program, and who needs it.
    Tool(String, &'static str),
}

pub fn lines(loaded: &Loaded, interrupts: &Interrupts) -> (Vec<Line>, Secrets) {
    let questions = questions(loaded);
    let (seen, secrets) = session::ask(loaded, loaded.place.clone(), &questions, interrupts);
    let user = session::user();
    let mut lines: Vec<Line> = seen.iter().map(|(about, seen)| line(loaded, about, seen, &user)).collect();
    if loaded.package.database.is_none() {
        lines.insert(0, Line::ok("database", "the package names none"));
    }
    (lines, secrets)
}

fn question(kind: &str, settings: &Value) -> Question {
    let settings = settings.as_object().cloned().unwrap_or_default().into_iter().collect();
    Question { kind: kind.to_owned(), settings }
}

fn questions(loaded: &Loaded) -> BTreeMap<About, Question> {
    let package = &loaded.package;
    let mut asked = BTreeMap::new();
    if let Some(url) = &package.database {
        let queries = json!({"door": {"sql": "SELECT 1 AS one", "columns": {"one": "int"}}});
        asked.insert(About::Database, question("sql", &json!({"url": url, "queries": queries})));
    }
    let keyring = json!({"home": package.trust.keyring, "judge": Vec::<String>::new()});
    asked.insert(About::Keyring, question("openpgp-keyring", &keyring));
    for (name, path) in &package.paths {
        let about = About::Path(format!("paths.{name}"), path.clone());
        asked.insert(about, question("host", &json!({"readable": [path]})));
    }
    for (tool, search, who) in tools(loaded) {
        let settings = match search {
            Some(search) => json!({"tools": [tool], "search_path": search}),
            None => json!({"tools": [tool]}),
        };
        asked.insert(About::Tool(tool, who), question("host", &settings));
    }
    asked
}

/// The programs that the package names, where they are looked for, and who needs them.
fn tools(loaded: &Loaded) -> BTreeSet<(String, Option<String>, &'static str)> {
    let mut tools = BTreeSet::new();
    for used in loaded.gates.iter().flat_map(|gate| gate.probes.values()).filter(|used| used.kind == "host") {
        let search = used.settings.text("search_path").map(str::to_owned);
        tools.extend(
            used.settings.texts("tools").into_iter().map(|tool| (tool.to_owned(), search.clone(), "the gates")),
        );
    }
    let package = &loaded.package;
    if let Some(executor) = &package.executor {
        let search = executor.environment.get("PATH").cloned();
        let named = executor.argv.first().into_iter().chain(executor.revert.first());
        // A path that is relative is the executor's own; programs of the system have plain names or whole paths.
        let named = named.filter(|tool| !tool.contains('/') || tool.starts_with('/'));
        tools.extend(named.map(|tool| (tool.clone(), search.clone(), "the executor")));
    }
    tools
}

fn line(loaded: &Loaded, about: &About, seen: &Observation, user: &str) -> Line {
    match about {
        About::Database => database(seen),
        About::Keyring => keyring(loaded, seen),
        About::Path(name, path) => readable(name, path, seen, user),
        About::Tool(tool, who) => program(tool, who, seen),
    }
}

/// A fact of an answer, by a path through records and lists, or why there is none.
fn fact<'a>(seen: &'a Observation, path: &str) -> Result<&'a Fact, Missing> {
    let lost = || Missing {
        state: crate::evidence::MissingState::Error,
        tried: format!("find {path} in what was read"),
        by: String::new(),
        said: "it is not there".to_owned(),
        next: "report this as a bug of cutgate".to_owned(),
    };
    let known = |fact: &'a Fact| match fact {
        Fact::Missing(missing) => Err((**missing).clone()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => Ok(fact),
    };
    path.split('.').try_fold(known(&seen.facts)?, |fact, name| {
        let next = match (fact, name.parse::<usize>()) {
            (Fact::List(items), Ok(at)) => items.get(at),
            (fact, _) => fact.get(name),
        };
        known(next.ok_or_else(lost)?)
    })
}

fn said(fact: &Fact) -> String {
    crate::gates::expr::render_fact(fact)
}

fn database(seen: &Observation) -> Line {
    let what = "database";
    let one = match fact(seen, "rows.door") {
        Ok(rows) => rows,
        Err(missing) => return Line::missing(what, &missing),
    };
    let text = |path: &str| fact(seen, path).map(said).unwrap_or_default();
    let who = match (text("engine").as_str(), text("role")) {
        ("postgresql", role) => format!("as the role {role}"),
        (_, _) => "read-only".to_owned(),
    };
    let expected = Fact::list([Fact::record([("one", Fact::Int(1))])]);
    if *one != expected {
        let next = "cutgate explain, of a gate that asks it";
        return Line::untold(what, format!("{} answers something else than it was asked", text("server")), next);
    }
    match fact(seen, "unchanged") {
        Ok(Fact::Bool(true)) => Line::ok(what, format!("{} answers {who}, and asking changes nothing", text("server"))),
        Ok(_) => Line::untold(
            what,
            "it cannot be told that asking changes nothing",
            "cutgate explain, of a gate that asks it",
        ),
        Err(missing) => Line::missing(what, &missing),
    }
}

fn keyring(loaded: &Loaded, seen: &Observation) -> Line {
    let (what, trust) = ("trust.keyring", &loaded.package.trust);
    let look = format!("gpg --show-keys {}", trust.keyring);
    if trust.keyring.is_empty() {
        return Line::ok(what, "the package pins nobody");
    }
    let listed = match fact(seen, "fingerprints") {
        Ok(Fact::List(listed)) => listed.clone(),
        Ok(_) => Vec::new(),
        Err(missing) => return Line::missing(what, &missing),
    };
    let pinned = [&trust.sovereign, &trust.operator, &trust.auditor];
    let lacking: Vec<&str> = pinned
        .into_iter()
        .flatten()
        .map(Fingerprint::as_str)
        .filter(|fingerprint| !listed.contains(&Fact::from(*fingerprint)))
        .collect();
    if !lacking.is_empty() {
        let said = format!("{} lacks pinned certificates: {}", trust.keyring, lacking.join(", "));
        return Line::problem(what, said, look);
    }
    Line::ok(what, format!("{} holds {} certificates, every pinned one among them", trust.keyring, listed.len()))
}

fn readable(name: &str, path: &str, seen: &Observation, user: &str) -> Line {
    let entry = match fact(seen, "readable.0") {
        Ok(entry) => entry,
        Err(missing) => return Line::missing(name, &missing),
    };
    let word = |key: &str| entry.get(key).map(said).unwrap_or_default();
    match entry.get("readable") {
        Some(Fact::Bool(true)) => Line::ok(name, format!("{user} can read {path}, a {}", word("kind"))),
        Some(Fact::Bool(false)) if word("why") == "absent" => {
            Line::ok(name, format!("{path} is absent, and {user} can see that; what it means, the gates say"))
        }
        Some(Fact::Missing(missing)) => Line::missing(name, missing),
        Some(_) | None => {
            let said = format!("{user} cannot read {path}: {}", word("why"));
            Line::problem(name, said, format!("namei -l {path}"))
        }
    }
}

fn program(tool: &str, who: &str, seen: &Observation) -> Line {
    let what = format!("tool {tool} of {who}");
    let absent = match fact(seen, "missing_tools") {
        Ok(Fact::List(missing)) => !missing.is_empty(),
        Ok(_) => false,
        Err(missing) => return Line::missing(what, &missing),
    };
    if absent {
        let said =
            format!("not in the search path, and {who} need it").replace("the executor need", "the executor needs");
        return Line::problem(what, said, format!("command -v {tool} || apt-cache search --names-only {tool}"));
    }
    match (fact(seen, "tools.0.path"), fact(seen, "tools.0.version")) {
        (Ok(path), Ok(version)) if said(version).is_empty() => {
            Line::problem(what, format!("{} does not say its version", said(path)), format!("{tool} --version"))
        }
        (Ok(path), Ok(version)) => Line::ok(what, format!("{}: {}", said(path), said(version))),
        (Err(missing), _) | (_, Err(missing)) => Line::missing(what, &missing),
    }
}
