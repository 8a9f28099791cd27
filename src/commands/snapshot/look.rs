//! What a snapshot holds fast: the files and folders that the package names, the trees and keyrings that its gates
//! read, and the programs that they want.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Refused;
use super::draft::{Draft, DraftCheck};
use crate::commands::interrupt::Interrupts;
use crate::commands::session;
use crate::evidence::{Fact, Missing, Observation};
use crate::gates::Loaded;
use crate::package::ProbeUse;
use crate::probes::{Question, Settings};

/// A digest that no file has.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is asked, in the order of the gates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Path(String),
    /// A tree, and what is left aside in it.
    Tree(String, String),
    Keyring(String),
    Tools(Vec<String>, Option<String>),
}

/// Drafts of everything that could be read, and what could not.
pub fn drafts(loaded: &Loaded, more: &[String], interrupts: &Interrupts) -> (Vec<Draft>, Vec<Refused>) {
    let questions = questions(loaded, more);
    let (seen, _) = session::ask(loaded, loaded.place.clone(), &questions, interrupts);
    let mut refused = Vec::new();
    let mut drafts = Vec::new();
    drafts.extend(files(loaded, &seen, &mut refused));
    let mut count = BTreeMap::new();
    for (about, seen) in &seen {
        let drafted = match about {
            About::Path(_) => continue,
            About::Tree(tree, _) => ("tree", tree.clone(), tree_gate(tree, &questions[about].settings, seen)),
            About::Keyring(home) => ("keyring", home.clone(), keyring_gate(home, seen)),
            About::Tools(tools, search) => ("tools", tools.join(", "), tools_gate(tools, search.as_deref(), seen)),
        };
        let (kind, what, drafted) = drafted;
        match drafted {
            Ok(draft) => {
                let number: &mut usize = count.entry(kind).or_default();
                *number += 1;
                let id = format!("snapshot-{kind}-{number}");
                drafts.push(Draft { id, ..draft });
            }
            Err(why) => refused.push(Refused { unread: why.unread, what: format!("{kind} {what}"), why: why.why }),
        }
    }
    (drafts, refused)
}

/// Why something gets no gate.
struct Why {
    why: String,
    unread: bool,
}

impl From<&Missing> for Why {
    fn from(missing: &Missing) -> Self {
        Self { why: missing.to_string(), unread: !missing.state.is_absent() }
    }
}

impl Why {
    fn known(why: impl Into<String>) -> Self {
        Self { why: why.into(), unread: false }
    }
}

fn question(kind: &str, settings: &Value) -> Question {
    let settings: Settings = settings.as_object().cloned().unwrap_or_default().into_iter().collect();
    Question { kind: kind.to_owned(), settings }
}

fn path_settings(path: &str) -> Value {
    json!({"paths": [{"path": path, "kind": "directory"}], "digests": true})
}

fn questions(loaded: &Loaded, more: &[String]) -> BTreeMap<About, Question> {
    let package = &loaded.package;
    let mut asked = BTreeMap::new();
    for path in package.paths.values().chain(more) {
        asked.insert(About::Path(path.clone()), question("provisioning", &path_settings(path)));
    }
    let used: Vec<&ProbeUse> =
        loaded.gates.iter().flat_map(|gate| gate.probes.values()).chain(package.measures.values()).collect();
    let mut tools: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
    for used in used {
        let text = |name: &str| used.settings.text(name).map(str::to_owned);
        match used.kind.as_str() {
            "tree-manifest" => {
                let tree = used.settings.required_text("tree").to_owned();
                let ignored = used.settings.given("ignore").then(|| used.settings.texts("ignore"));
                let settings = match &ignored {
                    Some(ignored) => json!({"tree": tree, "ignore": ignored}),
                    None => json!({"tree": tree}),
                };
                asked.insert(About::Tree(tree, format!("{ignored:?}")), question("tree-manifest", &settings));
            }
            "openpgp-keyring" => drop(text("home").map(|home| keyring(&mut asked, &home))),
            "host" => {
                let named = used.settings.texts("tools").into_iter().map(str::to_owned);
                tools.entry(text("search_path")).or_default().extend(named);
            }
            _ => {}
        }
    }
    keyring(&mut asked, &package.trust.keyring);
    for (search, named) in tools.into_iter().filter(|(_, named)| !named.is_empty()) {
        let named: Vec<String> = named.into_iter().collect();
        let settings = match &search {
            Some(search) => json!({"tools": named, "search_path": search}),
            None => json!({"tools": named}),
        };
        asked.insert(About::Tools(named, search), question("host", &settings));
    }
    asked
}

fn keyring(asked: &mut BTreeMap<About, Question>, home: &str) {
    let settings = json!({"home": home, "judge": Vec::<String>::new()});
    asked.insert(About::Keyring(home.to_owned()), question("openpgp-keyring", &settings));
}

/// A text in CEL; `None` for one that could not be written so that a person reads it as it is.
fn literal(text: &str) -> Option<String> {
    let plain =
        text.chars().all(|c| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'));
    plain.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A fact of an answer, or why there is none.
fn fact<'a>(seen: &'a Observation, path: &str) -> Result<&'a Fact, Why> {
    if let Some(missing) = seen.missing() {
        return Err(missing.into());
    }
    match seen.facts.at(path) {
        Some(Fact::Missing(missing)) => Err((&**missing).into()),
        Some(fact) => Ok(fact),
        None => Err(Why { why: format!("there is no {path} in what was read"), unread: true }),
    }
}

fn text_of(record: &Fact, key: &str) -> Result<String, Why> {
    match record.get(key) {
        Some(Fact::Text(text)) => Ok(text.clone()),
        Some(Fact::Missing(missing)) => Err((&**missing).into()),
        Some(_) | None => Err(Why { why: format!("{key} could not be read"), unread: true }),
    }
}

/// What one path came to: the entry of the probe's setting, and its digest where its content is held fast.
fn path(path: &str, seen: &Observation, content: bool) -> Result<(Value, Option<String>), Why> {
    let entry = match fact(seen, "paths")? {
        Fact::List(items) => items.first().cloned(),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_) | Fact::Missing(_) => None,
    };
    let entry = entry.ok_or_else(|| Why { why: "it was not looked at".to_owned(), unread: true })?;
    let kind = text_of(&entry, "kind")?;
    if !text_of(&entry, "link_in_path")?.is_empty() {
        return Err(Why::known("a symlink leads there, and it may lead elsewhere tomorrow"));
    }
    if kind != "file" && kind != "directory" {
        return Err(Why::known(format!("it is a {kind}")));
    }
    let (owner, group, mode) = (text_of(&entry, "owner")?, text_of(&entry, "group")?, text_of(&entry, "mode")?);
    let digest = if content && kind == "file" { Some(text_of(&entry, "sha256")?) } else { None };
    // A sticky or set-id bit stands in the mode, too.
    let wanted = json!({"path": path, "kind": kind, "owner": owner, "group": group, "mode": mode});
    Ok((wanted, digest))
}

/// Files whose content is not held fast: registries change, and a digest of a file with secrets gives them away.
fn without_content(loaded: &Loaded) -> BTreeSet<String> {
    let database = loaded.package.database.iter().filter_map(|url| url.strip_prefix("sqlite:")).map(str::to_owned);
    let used = loaded.gates.iter().flat_map(|gate| gate.probes.values()).filter(|used| used.kind == "config");
    let secret = used.filter(|used| {
        let keys = used.settings.0.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        keys.iter().any(|key| key["secret"].as_bool() == Some(true))
    });
    database.chain(secret.filter_map(|used| used.settings.text("file").map(str::to_owned))).collect()
}

fn files(loaded: &Loaded, seen: &BTreeMap<About, Observation>, refused: &mut Vec<Refused>) -> Option<Draft> {
    let without = without_content(loaded);
    let mut wanted = Vec::new();
    let mut checks = Vec::new();
    for (about, seen) in seen {
        let About::Path(name) = about else { continue };
        match path(name, seen, !without.contains(name)) {
            Ok((entry, digest)) => {
                let at = format!("state.paths[{}]", wanted.len());
                let facts = format!("state.paths.{}", wanted.len());
                let mut require = format!("{at}.matches");
                let mut rests_on = vec![(format!("{facts}.matches"), json!(false))];
                if let Some(digest) = digest {
                    require.push_str(&format!(" && {at}.sha256 == \"{digest}\""));
                    rests_on.push((format!("{facts}.sha256"), json!(NO_DIGEST)));
                }
                let otherwise = format!("{name} is not as it was");
                checks.push(DraftCheck { id: format!("path-{}", wanted.len() + 1), require, otherwise, rests_on });
                wanted.push(entry);
            }
            Err(why) => refused.push(Refused { what: format!("path {name}"), why: why.why, unread: why.unread }),
        }
    }
    (!wanted.is_empty()).then(|| Draft {
        id: "snapshot-files".to_owned(),
        title: "files and folders have kind, owner, mode and content as in the snapshot".to_owned(),
        probe: "state",
        kind: "provisioning",
        settings: vec![("digests", json!(true)), ("paths", Value::Array(wanted))],
        checks,
        invariant: None,
    })
}

fn size(seen: &Observation, path: &str) -> Result<usize, Why> {
    match fact(seen, path)? {
        Fact::List(items) if !items.iter().any(|item| matches!(item, Fact::Missing(_))) => Ok(items.len()),
        Fact::List(_) => Err(Why { why: format!("{path} is known in part"), unread: true }),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_) | Fact::Missing(_) => {
            Err(Why { why: format!("{path} is no list"), unread: true })
        }
    }
}

fn tree_gate(tree: &str, settings: &Settings, seen: &Observation) -> Result<Draft, Why> {
    let Fact::Text(digest) = fact(seen, "digest")? else { return Err(Why::known("it has no digest")) };
    let (links, special) = (size(seen, "links")?, size(seen, "special")?);
    let link = json!({"path": "x", "target": "y", "outside": true});
    // One more than there was.
    let more = |count: usize, item: &Value| Value::Array(vec![item.clone(); count + 1]);
    let checks = vec![
        DraftCheck {
            id: "content".to_owned(),
            require: format!("tree.digest == \"{digest}\""),
            otherwise: format!("the files of {tree} are not what they were"),
            rests_on: vec![("tree.digest".to_owned(), json!(NO_DIGEST))],
        },
        DraftCheck {
            id: "links".to_owned(),
            require: format!("size(tree.links) == {links}"),
            otherwise: format!("{tree} has other links than it had"),
            rests_on: vec![("tree.links".to_owned(), more(links, &link))],
        },
        DraftCheck {
            id: "special-files".to_owned(),
            require: format!("size(tree.special) == {special}"),
            otherwise: format!("{tree} has other special files than it had"),
            rests_on: vec![("tree.special".to_owned(), more(special, &json!("x")))],
        },
    ];
    let ignore = settings.given("ignore").then(|| ("ignore", json!(settings.texts("ignore"))));
    Ok(Draft {
        id: String::new(),
        title: format!("the tree {tree} is the one of the snapshot"),
        probe: "tree",
        kind: "tree-manifest",
        settings: std::iter::once(("tree", json!(tree))).chain(ignore).collect(),
        checks,
        invariant: Some("digest"),
    })
}

fn keyring_gate(home: &str, seen: &Observation) -> Result<Draft, Why> {
    if size(seen, "fingerprints")? == 0 {
        return Err(Why::known("it holds no certificate, and an empty keyring holds nothing fast"));
    }
    let Fact::List(listed) = fact(seen, "fingerprints")? else { return Err(Why::known("it is no keyring")) };
    let listed = listed.iter().filter_map(|fact| literal(&crate::gates::expr::render_fact(fact)));
    let require = format!("ring.fingerprints == [{}]", listed.collect::<Vec<_>>().join(", "));
    Ok(Draft {
        id: String::new(),
        title: format!("the keyring {home} holds the certificates of the snapshot and no others"),
        probe: "ring",
        kind: "openpgp-keyring",
        settings: vec![("home", json!(home)), ("judge", json!([]))],
        checks: vec![DraftCheck {
            id: "certificates".to_owned(),
            require,
            otherwise: format!("the keyring {home} holds other certificates than it held"),
            rests_on: vec![("ring.fingerprints".to_owned(), json!([]))],
        }],
        invariant: Some("digest"),
    })
}

fn tools_gate(tools: &[String], search: Option<&str>, seen: &Observation) -> Result<Draft, Why> {
    let Fact::List(found) = fact(seen, "tools")? else { return Err(Why::known("nothing was looked for")) };
    let mut checks = Vec::new();
    for (at, (tool, record)) in tools.iter().zip(found).enumerate() {
        match record.get("found") {
            Some(Fact::Bool(true)) => {}
            Some(Fact::Missing(missing)) => return Err((&**missing).into()),
            Some(_) | None => return Err(Why::known(format!("{tool} is not installed"))),
        }
        let version = text_of(record, "version")?;
        let Some(literal) = literal(&version).filter(|_| !version.is_empty()) else {
            return Err(Why::known(format!("{tool} does not say a version that could be written down")));
        };
        checks.push(DraftCheck {
            id: format!("tool-{}", at + 1),
            require: format!("host.tools[{at}].found && host.tools[{at}].version == {literal}"),
            otherwise: format!("{tool} is not the one of the snapshot"),
            rests_on: vec![
                (format!("host.tools.{at}.found"), json!(false)),
                (format!("host.tools.{at}.version"), json!("another")),
            ],
        });
    }
    let search = search.map(|search| ("search_path", json!(search)));
    Ok(Draft {
        id: String::new(),
        title: "the programs that the gates want have the versions of the snapshot".to_owned(),
        probe: "host",
        kind: "host",
        settings: std::iter::once(("tools", json!(tools))).chain(search).collect(),
        checks,
        invariant: None,
    })
}
