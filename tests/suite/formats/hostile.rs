//! Text from the host, in every place of the evidence where a host can put some, through every format: nothing is forged.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use cutgate::classify::Letter;
use cutgate::evidence::{Evidence, Recorded};
use cutgate::report::format::{Audited, FORMATS};
use cutgate::report::{Detail, Dossier, exit_code};
use serde_json::Value as Json;

use crate::audit::Lab;

use super::{audited, problems, text};

/// What a host may say to be taken for something else.
const STRINGS: &[&str] = &[
    // Workflow commands.
    "\n::error title=forged::x",
    "::stop-commands::t%0A::notice title=cutgate::result%3A A",
    // Tables and blocks of Markdown.
    "| CLOSED | GAP-3 | `x` | | |\n| CLOSED |",
    "](https://evil.example) ![x](y) <https://evil.example>",
    "```\n# Result: A\n---\n",
    // HTML, in text, in attributes, in comments, in a style.
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x='",
    "</code></summary></details></li></ol><h1>The requirement is met: A</h1>",
    "--> <!-- </style> <style>* {display: none}</style> &lt;b&gt; &#60;",
    // What moves a cursor or turns text around.
    "\u{1b}[2J\u{1b}[31mCLOSED\u{7}\u{8}\r\u{9b}0m",
    "\u{202e}DESOLC\u{2066} \u{200b}\u{feff}",
    // Test points and directives.
    "\nok 1 - forged\n1..1\nBail out!",
    "x # SKIP not today # TODO later",
    "\n  ...\nok 99\n  ---\nstate: CLOSED\n",
    // Label breaks and other metrics.
    "\"} 1\ncutgate_requirement_met{package=\"x\"} 1\n#",
    "x\\",
    // Performance data.
    "all is well | closed=9;;;0;9\nOK | open=0",
    // XML and YAML.
    "]]></failure><testcase name=\"forged\"/><![CDATA[",
    "&amp; &xxe; <?xml version='1.0'?> <!DOCTYPE x>",
    "\u{0}\u{1}\u{b}\u{c}\u{1f}\u{7f}\u{85}\u{2028}\u{2029}\u{fffe}\u{ffff}",
    "? key: [value, {a: &b *b}] !!python/object:x %YAML",
    "{{ 7 * 7 }} {% include 'x' %} {# x #} $(id) `id` ${x}",
    "\\u003cscript\\u003e \\n \\\" \\",
];

/// Every text of the facts, and of what is said of reading them, with something after it.
fn spoil(json: &mut Json, with: &str) {
    match json {
        Json::String(text) => text.push_str(with),
        Json::Array(items) => items.iter_mut().for_each(|item| spoil(item, with)),
        Json::Object(map) => {
            for (key, value) in map.iter_mut() {
                // Instants, numbers and the words of the format are not the host's.
                if !matches!(
                    key.as_str(),
                    "$time" | "$int" | "state" | "at" | "sha256" | "read" | "kind" | "started" | "finished"
                ) {
                    spoil(value, with);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// What the evidence says once the host says this everywhere.
fn spoilt(evidence: &[u8], with: &str) -> Evidence {
    let mut json: Json = serde_json::from_slice(evidence).unwrap();
    for group in ["probes", "before", "after"] {
        for observation in json[group].as_object_mut().unwrap().values_mut() {
            spoil(&mut observation["facts"], with);
            spoil(&mut observation["sources"], with);
        }
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn whatever_a_host_says_forges_nothing_in_any_format() {
    let lab = Lab::new();
    let (_, folder) = lab.audit();
    let evidence = fs::read(folder.join("evidence.json")).unwrap();
    let loaded = cutgate::gates::load(&lab.path("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let into = tempfile::tempdir().unwrap();
    let mut folders = Vec::new();
    assert!(STRINGS.len() >= 20);
    for (index, with) in [""].iter().chain(STRINGS).enumerate() {
        let evidence = spoilt(&evidence, with);
        let recorded = Recorded::of(evidence.clone());
        let dossier = Dossier::assemble(&loaded, &recorded).published("0001", "reports/0001", &evidence);
        let detail = Detail::of(&loaded, &evidence, &lab.path("reports"));
        let code = exit_code(&dossier, Letter::B);
        assert_ne!(code, 0, "{with:?}");
        let audited =
            Audited { dossier: &dossier, required: Letter::B, code, baseline: None, detail: &detail, colours: false };
        let folder = into.path().join(index.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("code"), code.to_string()).unwrap();
        for format in FORMATS {
            fs::write(folder.join(format.name), (format.render)(&audited)).unwrap();
        }
        if index > 0 {
            let html = fs::read_to_string(folder.join("html")).unwrap();
            let word = with.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|word| word.len()).unwrap();
            assert!(html.contains(word), "{with:?} is shown, for nothing is kept from the reader");
        }
        folders.push(folder);
    }
    assert_eq!(problems(folders.iter().map(std::path::PathBuf::as_path)), "");
}

/// The same by the real program on a real host: a role, a file, a folder, a document and a key of a configuration are called
/// so.
#[test]
fn a_hostile_host_forges_nothing() {
    let lab = Lab::new();
    for (index, string) in STRINGS.iter().enumerate() {
        let name: String = string.chars().map(|c| if c == '/' || c == '\0' { '_' } else { c }).collect();
        let file = lab.path("host/opt/cutter/v0.6").join(Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())));
        fs::write(file, "x").unwrap();
        let document = lab.path("kb").join(format!("{index} {name}.md"));
        fs::write(document, format!("---\ngate: SG_1_cut_authz\nrun_id: \"{index}\"\n---\n# {string}\n")).unwrap();
        fs::create_dir_all(lab.path("host/var/lib/cutter").join(&name)).unwrap();
    }
    let rows: Vec<_> = STRINGS
        .iter()
        .map(|string| {
            let text: String = string.chars().filter(|c| *c != '\0').collect();
            format!("('{}', 'guard', 1, 1, 'forges')", text.replace('\'', "''"))
        })
        .collect();
    let sql = format!("INSERT OR IGNORE INTO principal VALUES {}", rows.join(", "));
    let added = Command::new("sqlite3").arg(lab.path("governance.db")).arg(sql).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let into = tempfile::tempdir().unwrap();
    let output = audited(&lab.path(""), &[], into.path());
    assert!(matches!(output.status.code(), Some(1 | 3)), "{}", text(&output.stderr));
    assert_eq!(problems([into.path()]), "");
    for format in ["text", "html", "junit", "tap", "sarif"] {
        let shown = fs::read_to_string(into.path().join(format)).unwrap();
        assert!(shown.contains("stop-commands"), "{format} shows what the host says");
    }
}
