//! The schemas of what is written and read, held against real outputs by a validator that is not ours; and that each of them sees a
//! field that is renamed or gone.

mod refused;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::attestations::python;
use crate::audit::Lab;
use crate::runs::Approved;
use crate::waivers::{Desk, waiver};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Validates pairs of a schema and a document (JSON, JSON lines or TOML), and every document with each of its fields renamed: where a
/// schema says that a field must be there, that must be seen. Prints what is wrong, and how many renamed fields each schema saw.
const VALIDATE: &str = r#"
import json, pathlib, sys, tomllib
from jsonschema import Draft202012Validator
folder, *pairs = sys.argv[1:]
schemas = {path.stem: json.loads(path.read_text()) for path in pathlib.Path(folder).iterdir()}
for name, schema in schemas.items():
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", name
used = set()
for name, file in zip(pairs[::2], pairs[1::2]):
    used.add(name)
    validator = Draft202012Validator(schemas[name])
    raw = pathlib.Path(file).read_text()
    if file.endswith(".toml"):
        documents = [tomllib.loads(raw)]
    elif file.endswith(".jsonl"):
        documents = [json.loads(line) for line in raw.splitlines()]
    else:
        documents = [json.loads(raw)]
    assert documents, file
    for document in documents:
        for error in validator.iter_errors(json.loads(json.dumps(document, default=str))):
            print(f"{name}: {file}: {list(error.path)[:6]}: {error.message[:200]}")
        for key in document:
            renamed = {("x" + k if k == key else k): v for k, v in document.items()}
            missed = validator.is_valid(json.loads(json.dumps(renamed, default=str)))
            optional = key not in schemas[name]["required"] and schemas[name].get("additionalProperties", True)
            if missed and not optional:
                print(f"{name}: {file}: that {key} is renamed is not seen")
print("unused:", sorted(set(schemas) - used), file=sys.stderr)
"#;

#[test]
fn what_is_written_and_read_fits_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let schemas = dir.path().join("schemas");
    fs::create_dir(&schemas).unwrap();
    let lab = Lab::new();
    let listed = text(&lab.cutgate(&["schema"]).stdout);
    let names: Vec<&str> = listed.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(names.len() >= 11 && names.is_sorted(), "{listed}");
    for name in &names {
        let output = lab.cutgate(&["schema", name]);
        assert_eq!(output.status.code(), Some(0));
        fs::write(schemas.join(format!("{name}.json")), output.stdout).unwrap();
    }
    let unknown = lab.cutgate(&["schema", "results"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("did you mean `result`?"), "{}", text(&unknown.stderr));

    let mut pairs: Vec<(&str, String)> = Vec::new();
    let mut add = |name: &'static str, path: &Path| pairs.push((name, path.display().to_string()));
    // The laboratory with waivers, blocked; then with what nobody could read.
    let desk = Desk::new();
    desk.waive("key.toml", &waiver("gpg-keyring"));
    desk.put("stray.txt", "");
    let publish = |file: &str, more: &[&str]| {
        let path = dir.path().join(file);
        let output = desk.cutgate(&[&["audit", "--format", &format!("json={}", path.display())], more].concat());
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{}", text(&output.stderr));
        path
    };
    let whole = publish("whole.json", &[]);
    add("result", &whole);
    let first: serde_json::Value = serde_json::from_slice(&fs::read(&whole).unwrap()).unwrap();
    let first = first["reports_dir"].as_str().unwrap().to_owned();
    add("result", &publish("since.json", &["--baseline", &first]));
    add("gates", &publish("profile.json", &["--profile", "ci", "--baseline", &first]));
    fs::write(desk.path("governance.db"), "this is no database").unwrap();
    add("result", &publish("unknown.json", &[]));
    add("gates", &publish("only.json", &["--only", "GAP-4"]));
    // A run that was begun, a rehearsal and a request.
    let begun = Approved::misbehaving();
    begun.run(&[], &[("CUTGATE_TEST_CRASH_AT", "consumed")]);
    let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(begun.dir()).arg("audit").output().unwrap();
    for reports in
        [desk.path("reports"), begun.dir().join("reports"), Path::new(env!("CARGO_MANIFEST_DIR")).join("reports")]
    {
        add("ledger-line", &reports.join("ledger.jsonl"));
        for entry in fs::read_dir(&reports).unwrap() {
            let folder = entry.unwrap().path();
            for (name, file) in
                [("result", "result.json"), ("evidence", "evidence.json"), ("package-lock", "package.lock.json")]
            {
                if folder.join(file).exists() {
                    add(name, &folder.join(file));
                }
            }
        }
    }
    let files = walkdir::WalkDir::new(begun.dir()).into_iter().map(Result::unwrap);
    for file in files.filter(|entry| entry.file_type().is_file()) {
        let (path, name) = (file.path(), file.file_name().to_string_lossy().into_owned());
        if name == "payload.json" {
            add("payload", path);
        } else if path.parent().is_some_and(|parent| parent.ends_with("drills")) && name.ends_with(".json") {
            add("drill-record", path);
        }
    }
    // The code path of a tree with live branches and of one that cannot be described.
    let code = |file: &str, args: &[&str]| {
        let output = lab.cutgate(&[&["code-path"], args, &["--format", "json"]].concat());
        let path = dir.path().join(file);
        fs::write(&path, output.stdout).unwrap();
        path
    };
    add("code-path", &code("code.json", &["host/opt/cutter/v0.6", "--config", "cutgate.toml"]));
    add("code-path", &code("nothing.json", &["kb", "--config", "cutgate.toml"]));
    // What is read: the packages, gates and waivers of the repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in ["lab", "examples/postgresql", "tests/packages/laboratory"] {
        add("package", &root.join(package).join("cutgate.toml"));
    }
    add("package", &desk.path("cutgate.toml"));
    add("waiver", &desk.path("waivers/key.toml"));
    for folder in ["gates", "examples/postgresql/gates", "tests/packages/laboratory/gates"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                add("gate", &path);
            }
        }
    }
    let args = pairs.iter().flat_map(|(name, file)| [(*name).to_owned(), file.clone()]);
    let output = Command::new(python()).args(["-c", VALIDATE]).arg(&schemas).args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "unused: []\n", "each schema is held against something real");
}
