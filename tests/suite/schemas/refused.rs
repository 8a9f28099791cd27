//! The schemas for editors beside the loader: packages and gates of the repository, each part of them misspelt, left out or of another
//! kind. What a schema refuses the loader refuses, and what the loader refuses for its form the schema refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cutgate::gates::check;
use cutgate::package::Sources;
use serde_json::json;
use toml::{Table, Value};

use super::text;
use crate::attestations::python;
use crate::waivers::{Desk, waiver};

/// One change of a file.
struct Change {
    said: String,
    file: Table,
}

/// Where a value stands: keys, and positions in lists.
type Place = Vec<String>;

fn at<'a>(value: &'a mut Value, place: &[String]) -> &'a mut Value {
    place.iter().fold(value, |value, step| match value {
        Value::Table(table) => &mut table[step.as_str()],
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        _ => panic!("no part {step}"),
    })
}

/// Every table, and every key of one; of a list of tables the first alone.
fn places(value: &Value, here: &Place, tables: &mut Vec<Place>, keys: &mut Vec<Place>) {
    match value {
        Value::Table(table) => {
            tables.push(here.clone());
            for (key, value) in table {
                let place = [here.as_slice(), std::slice::from_ref(key)].concat();
                keys.push(place.clone());
                places(value, &place, tables, keys);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_table) => {
            places(&items[0], &[here.as_slice(), &["0".to_owned()]].concat(), tables, keys);
        }
        _ => {}
    }
}

/// The file as it is, with a key that nobody knows in each table, without each key, and with another kind of value at each.
fn changes(file: &Table) -> Vec<Change> {
    let (mut tables, mut keys) = (Vec::new(), Vec::new());
    places(&Value::Table(file.clone()), &Vec::new(), &mut tables, &mut keys);
    let changed = |said: String, change: &dyn Fn(&mut Value)| {
        let mut whole = Value::Table(file.clone());
        change(&mut whole);
        let Value::Table(file) = whole else { panic!("a table stays one") };
        Change { said, file }
    };
    let mut all = vec![changed("as it is".to_owned(), &|_| {})];
    for place in &tables {
        all.push(changed(format!("zzz in {}", place.join(".")), &|whole| {
            at(whole, place).as_table_mut().unwrap().insert("zzz".to_owned(), Value::Integer(1));
        }));
    }
    for place in &keys {
        let (key, table) = place.split_last().unwrap();
        all.push(changed(format!("without {}", place.join(".")), &|whole| {
            at(whole, table).as_table_mut().unwrap().remove(key);
        }));
        all.push(changed(format!("1.5 for {}", place.join(".")), &|whole| {
            *at(whole, place) = Value::Float(1.5);
        }));
    }
    all
}

/// What the loader says of the form of these files: errors that they do not have as they are.
fn said(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let found = match check(&Sources::recorded(files)) {
        Ok(_) => return BTreeSet::new(),
        Err(problems) => problems.diagnostics,
    };
    found.into_iter().map(|diagnostic| diagnostic.message).collect()
}

/// Whether a message is about the form of a file, and not about what it names elsewhere.
fn of_form(message: &str) -> bool {
    let words = ["unknown key", "unknown field", "missing field", "invalid type", " is a float", " has no `"];
    words.iter().any(|words| message.contains(words))
}

/// Whether a change is one of a probe's settings, which are for the probe to know; its kind is not.
fn of_probe(table: &str, said: &str) -> bool {
    let place = said.split(' ').next_back().and_then(|place| place.strip_prefix(table));
    place.is_some_and(|place| !(place.ends_with(".kind") && place.matches('.').count() == 1))
}

/// Prints where a schema and the loader do not agree, and how often both refused.
const AGREE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
rows = json.load(sys.stdin)
validators = {name: Draft202012Validator(schema) for name, schema in rows["schemas"].items()}
both = 0
for row in rows["rows"]:
    faults = [error.message for error in validators[row["schema"]].iter_errors(row["file"])]
    if faults and not row["said"]:
        print(row["name"], "is refused by the schema alone:", faults[0][:200])
    if not faults and row["form"]:
        print(row["name"], "is refused by the loader alone:", row["said"])
    both += bool(faults and row["form"])
print(both, file=sys.stderr)
"#;

#[test]
fn what_the_loader_refuses_for_its_form_the_schema_refuses() {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let host = desk.cutgate(&["init", "--kind", "host", "small"]);
    assert!(host.status.success(), "{}", text(&host.stderr));
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut rows = Vec::new();
    let mut row = |schema: &str, name: String, file: &Table, messages: BTreeSet<String>, form: bool| {
        rows.push(json!({ "schema": schema, "name": name, "file": file, "said": messages, "form": form }));
    };
    let lone = |text: String| BTreeMap::from([("cutgate.toml".to_owned(), text.into_bytes())]);
    for path in [
        desk.path("cutgate.toml"),
        desk.path("small/cutgate.toml"),
        root.join("examples/postgresql/cutgate.toml"),
        root.join("tests/packages/laboratory/cutgate.toml"),
    ] {
        let file: Table = read(&path).parse().unwrap();
        // Without its gates, for what is wrong with them is another matter; so is what only they would read.
        let before = said(&lone(toml::to_string(&file).unwrap()));
        for change in changes(&file) {
            let messages: BTreeSet<_> =
                said(&lone(toml::to_string(&change.file).unwrap())).difference(&before).cloned().collect();
            let form = !of_probe("measure.", &change.said) && messages.iter().any(|message| of_form(message));
            row("package", format!("{}: {}", path.display(), change.said), &change.file, messages, form);
        }
    }
    let package = read(&desk.path("cutgate.toml"));
    for id in ["gpg-keyring", "live-code-path"] {
        let file: Table = read(&root.join(format!("gates/{id}.toml"))).parse().unwrap();
        let files = |gate: &Table| {
            let mut files = lone(package.clone());
            files.insert(format!("gates/{id}.toml"), toml::to_string(gate).unwrap().into_bytes());
            files
        };
        let before = said(&files(&file));
        for change in changes(&file) {
            let messages: BTreeSet<_> = said(&files(&change.file)).difference(&before).cloned().collect();
            let form = !of_probe("probe.", &change.said) && messages.iter().any(|message| of_form(message));
            row("gate", format!("{id}: {}", change.said), &change.file, messages, form);
        }
    }
    // A waiver is judged by an audit, and doing that for each of its parts would be long: the schema alone is looked at.
    let mut file: Table = waiver("gpg-keyring").parse().unwrap();
    file.insert("expires".to_owned(), Value::from("2026-06-01T00:00:00Z"));
    for (number, change) in changes(&file).iter().enumerate() {
        let messages: BTreeSet<_> = ["its form".to_owned()].into_iter().take(number).collect();
        row("waiver", format!("waiver: {}", change.said), &change.file, messages, number > 0);
    }
    let schema = |name: &str| {
        let text = read(&root.join(format!("docs/schemas/{name}.json")));
        (name.to_owned(), serde_json::from_str::<serde_json::Value>(&text).unwrap())
    };
    let schemas: BTreeMap<_, _> = ["package", "gate", "waiver"].map(schema).into();
    let input = json!({ "schemas": schemas, "rows": rows }).to_string();
    let mut command = Command::new(python());
    command.args(["-c", AGREE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "", "{}", text(&output.stderr));
    let both: usize = text(&output.stderr).trim().parse().unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    assert!(both > 300, "only {both} of {} changes were refused by both", rows.len());
}
