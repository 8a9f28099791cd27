//! The site of the documentation: its list of chapters names every page, and the pages that the program itself could write
//! (commands, exit codes, stock gates, schemas, decisions) say what it says. `UPDATE_GOLDEN=1` writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cutgate::commands::EXIT_CODES;
use serde_json::Value as Json;
use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sorted files of a folder of the repository, as paths from its root.
fn listed(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no files that end in {ending}");
    paths.iter().map(|path| path.strip_prefix(root()).expect("below the root").to_owned()).collect()
}

/// Compares a page with what it must be, or writes it.
fn page(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join(path), wanted).expect("the page is written");
    }
    let kept = fs::read_to_string(root().join(path)).unwrap_or_default();
    let line = kept.lines().zip(wanted.lines()).position(|(kept, wanted)| kept != wanted).map_or(0, |line| line + 1);
    assert!(
        kept == wanted,
        "{path} is not what the program says (line {line}): UPDATE_GOLDEN=1 scripts/test --test suite site::"
    );
}

#[test]
fn every_page_is_a_chapter_of_the_site() {
    let summary = read("site/SUMMARY.md");
    let named: Vec<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for path in &named {
        assert!(root().join(path).is_file(), "site/SUMMARY.md names {path}, which is not there");
    }
    let pages = [listed("docs", "md"), listed("docs/decisions", "md")].concat();
    for path in pages
        .iter()
        .map(|path| path.to_string_lossy())
        .chain(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(Into::into))
    {
        let times = named.iter().filter(|name| **name == path).count();
        assert_eq!(times, 1, "site/SUMMARY.md names {path} {times} times");
    }
}

/// The help of a command, and of every command below it.
fn helps(words: &[String], page: &mut String) {
    let output =
        assert_cmd::Command::cargo_bin("cutgate").expect("built").env_clear().args(words).arg("--help").output();
    let help = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let title = [&["cutgate".to_owned()], words].concat().join(" ");
    write!(page, "\n## `{title}`\n\n```text\n{}\n```\n", help.trim_end()).expect("written");
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = below.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    for name in names.filter(|name| *name != "help") {
        helps(&[words, &[name.to_owned()]].concat(), page);
    }
}

#[test]
fn the_page_of_the_commands_is_their_help() {
    let mut text = "# Commands and options\n\nWhat `--help` says of each command; a test compares. The same is in the manual pages that `cutgate man` writes. What the exit \
                    codes mean: [exit-codes.md](exit-codes.md).\n"
        .to_owned();
    helps(&[], &mut text);
    assert!(text.matches("\n## ").count() > 15, "the help was understood");
    page("docs/commands.md", &text);
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_page_of_the_stock_gates_is_their_files() {
    let mut said = "# The stock gates\n\nWritten from the files in `gates/`, which are compiled in; a test compares. A package replaces one by a file of the same name in its own folder \
                    `gates`, or lays others beside them ([where to add a gate](architecture.md#where-to-add-a-gate)). *Essential* checks make a gate OPEN where they fail, \
                    *completing* ones PARTIAL. `cutgate explain GAP` shows them with the values of a host.\n"
        .to_owned();
    let mut gates: Vec<Table> = listed("gates", "toml")
        .iter()
        .map(|path| read(&path.to_string_lossy()).parse().expect("a gate file"))
        .collect();
    gates.sort_by(|left, right| text(left, "gap").cmp(text(right, "gap")));
    for gate in &gates {
        let (id, gap, stage, title) = (text(gate, "id"), text(gate, "gap"), text(gate, "stage"), text(gate, "title"));
        write!(said, "\n## {gap}: `{id}`\n\nStage {stage}: {title}.").expect("written");
        if let Some(criterion) = gate.get("blocked_criterion").and_then(Value::as_str) {
            write!(said, " Where it is not, the criterion \"{criterion}\" is matched.").expect("written");
        }
        write!(said, "\n\n{}\n\nReads: ", text(gate, "remedy").trim()).expect("written");
        let probes = gate["probe"].as_table().expect("probes");
        let probes: Vec<_> = probes
            .iter()
            .map(|(name, probe)| format!("`{name}` ({})", text(probe.as_table().expect("a probe"), "kind")))
            .collect();
        write!(said, "{}.\n\n", probes.join(", ")).expect("written");
        for check in gate["check"].as_array().expect("checks") {
            let check = check.as_table().expect("a check");
            writeln!(said, "- **{}**, {}:", text(check, "id"), text(check, "tier")).expect("written");
            let rule = text(check, "require").trim().lines().map(|line| format!("  {line}\n")).collect::<String>();
            write!(said, "\n  ```cel\n{rule}  ```\n\n").expect("written");
        }
        while said.ends_with('\n') {
            said.pop();
        }
        said.push('\n');
    }
    page("docs/gates.md", &said);
}

/// The table of a page between its header row and the next empty line is what the program says; the words around it are written by hand.
#[test]
fn the_table_of_the_exit_codes_is_the_programs() {
    let kept = read("docs/exit-codes.md");
    let (before, rest) = kept.split_once("| Code | Meaning |\n").expect("the table");
    let (_, after) = rest.split_once("\n\n").expect("an end of the table");
    let rows: String = EXIT_CODES.iter().map(|(code, meaning)| format!("| {code} | {meaning} |\n")).collect();
    page("docs/exit-codes.md", &format!("{before}| Code | Meaning |\n|---|---|\n{rows}\n{after}"));
}

/// What a schema asks of a value, in words for a cell of a table.
fn kind(schema: &Json, of: &str) -> String {
    let each = |key: &str, word: &dyn Fn(&Json) -> String| {
        let words: Vec<_> = schema[key].as_array().expect("a list").iter().map(word).collect();
        words.join(" or ")
    };
    let literal = |value: &Json| format!("`{value}`");
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.strip_prefix("#/$defs/")) {
        return format!("[{name}](#{of}-{})", name.to_lowercase());
    }
    if schema.get("const").is_some() {
        return literal(&schema["const"]);
    }
    if schema.get("enum").is_some() {
        return each("enum", &literal);
    }
    for key in ["anyOf", "oneOf"] {
        if schema.get(key).is_some() {
            return each(key, &|schema| kind(schema, of));
        }
    }
    let named = |word: &Json| match word.as_str().expect("a type") {
        "array" => format!("list of {}", kind(&schema["items"], of)),
        "string" if schema["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("^\\{")) => {
            "a reference".to_owned()
        }
        "string" => match schema["pattern"].as_str() {
            Some(pattern) => format!("text, `{}`", pattern.replace('|', "\\|")),
            None => "text".to_owned(),
        },
        // One of several: told by what it has.
        "object" if schema["required"].as_array().is_some_and(|names| names.len() == 1) => {
            format!("object with `{}`", schema["required"][0].as_str().expect("a name"))
        }
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Json::Array(types) => types.iter().map(named).collect::<Vec<_>>().join(" or "),
        Json::Null => "anything".to_owned(),
        word => named(word),
    }
}

/// A row for each field of an object, and below it those of the objects in it.
fn fields(schema: &Json, path: &str, of: &str, said: &mut String) {
    let within = |schema: &Json, path: &str, said: &mut String| {
        let (items, path) = if schema.get("items").is_some() {
            (&schema["items"], format!("{path}[]"))
        } else {
            (schema, path.to_owned())
        };
        fields(items, &format!("{path}."), of, said);
    };
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let must = if required(name) { "yes" } else { "" };
        let meaning = field["description"].as_str().unwrap_or_default().replace('|', "\\|");
        writeln!(said, "| `{path}{name}` | {} | {must} | {meaning} |", kind(field, of)).expect("written");
        within(field, &format!("{path}{name}"), said);
    }
    let others = &schema["additionalProperties"];
    if others.is_object() {
        let at = format!("{path}<name>");
        writeln!(said, "| `{at}` | {} | | {} |", kind(others, of), others["description"].as_str().unwrap_or_default())
            .expect("written");
        within(others, &at, said);
    }
}

/// The table of an object's fields, or what a schema is that has none.
fn table(schema: &Json, of: &str) -> String {
    let mut rows = String::new();
    fields(schema, "", of, &mut rows);
    match rows.is_empty() {
        true => format!("\nIt is {}.\n", kind(schema, of)),
        false => format!("\n| Field | Kind | Required | Meaning |\n|---|---|---|---|\n{rows}"),
    }
}

#[test]
fn the_page_of_the_schemas_is_their_files() {
    let mut said = "# Schemas\n\nWritten from the JSON Schemas (draft 2020-12) in `docs/schemas/`, which `cutgate schema NAME` prints; a test compares, and others hold real \
                    outputs and inputs against them. `a reference` is the name of another entry of the package file in braces. What a probe's settings may be: \
                    [probes.md](probes.md).\n"
        .to_owned();
    for path in listed("docs/schemas", "json") {
        let schema: Json = serde_json::from_str(&read(&path.to_string_lossy())).expect("JSON");
        let name = path.file_stem().expect("a stem").to_string_lossy().into_owned();
        write!(said, "\n## `{name}`\n\n{}.\n", schema["title"].as_str().expect("a title").trim_end_matches('.'))
            .expect("written");
        said.push_str(&table(&schema, &name));
        for (part, schema) in schema["$defs"].as_object().into_iter().flatten() {
            write!(said, "\n### {name} {part}\n").expect("written");
            said.push_str(&table(schema, &name));
        }
    }
    page("docs/schemas.md", &said);
}

#[test]
fn the_page_of_the_decisions_lists_them() {
    let mut said = "# Decisions\n\nWhat was decided where more than one way was open, and why; the newest last. A new one takes the next number and the form of\n\
                    [the template](template.md).\n\n"
        .to_owned();
    for path in listed("docs/decisions", "md") {
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            let decision = read(&path.to_string_lossy());
            let title = decision.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
            writeln!(said, "- [{title}]({name})").expect("written");
        }
    }
    page("docs/decisions/README.md", &said);
}
