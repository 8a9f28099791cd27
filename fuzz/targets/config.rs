//! Configuration files in their four forms. The value of a secret key is nowhere in the facts; what cannot be
//! parsed has no keys at all.

use serde_json::json;

use super::{count, folder, observe, write};
use cutgate::evidence::Fact;

pub fn run(data: &[u8]) {
    let Some((form, bytes)) = data.split_first() else { return };
    let (format, nested, list) = match form % 4 {
        0 => ("toml", true, "list"),
        1 => ("yaml", true, "list"),
        2 => ("ini", true, "path"),
        _ => ("env", false, "path"),
    };
    let name = |plain: &str, path: &str| if nested { path.to_owned() } else { plain.to_owned() };
    let keys = json!([
        { "key": name("CONNECTION", "database.url"), "kind": "text", "secret": true },
        { "key": name("MODE", "cut.mode"), "kind": "text" },
        { "key": name("ROWS", "cut.rows"), "kind": "int" },
        { "key": name("LIVE", "cut.live"), "kind": "bool", "required": false },
        { "key": name("DIRS", "cut.dirs"), "kind": list, "required": false },
    ]);
    let dir = folder();
    write(dir.path().join("settings"), bytes);
    let settings = json!({ "file": "settings", "format": format, "keys": keys });
    let facts = observe("config", dir.path(), settings).expect("facts");
    let Some(Fact::Bool(parsed)) = facts.get("parsed") else { panic!("it was read: {facts:?}") };
    if !parsed {
        assert_eq!((count(&facts, "missing"), count(&facts, "wrong_kind")), (None, None), "{facts:?}");
        assert!(matches!(facts.get("keys"), Some(Fact::Missing(_))), "{facts:?}");
        return;
    }
    let Some(Fact::Map(keys)) = facts.get("keys") else { panic!("a file that was parsed has keys: {facts:?}") };
    let secret = keys.get(name("CONNECTION", "database.url").as_str()).expect("every key that was asked for");
    assert!(matches!(secret.get("value"), Some(Fact::Missing(_))), "{facts:?}");
    let absent = keys.values().filter(|key| key.get("present") == Some(&Fact::Bool(false))).count();
    assert!(count(&facts, "missing").is_none_or(|missing| missing <= absent), "{facts:?}");
}
