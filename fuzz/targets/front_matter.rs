//! Front matter. What was read can be written in the plainest form and is read back the same.

use cutgate::probes::front_matter::{self, Fields, Value, plain_key};

/// Characters of an implicit key.
const LONGEST_KEY: usize = 1024;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parts = match front_matter::split(text) {
        Ok(parts) => parts,
        Err(broken) => {
            assert!(broken.line >= 1 && broken.line <= text.split(['\n', '\r']).count() + 1, "{broken}");
            return;
        }
    };
    assert!(text.ends_with(parts.body), "the body is the rest of the text");
    let Some(fields) = parts.fields else {
        assert_eq!(parts.body, text.strip_prefix('\u{feff}').unwrap_or(text));
        return;
    };
    assert!(parts.body.len() < text.len());
    assert!(fields.keys().all(|key| plain_key(key) == key), "keys are in their plain form");
    // Written with escapes, a key may be longer than YAML allows one on a line (YAML 1.2.2, section 7.4.2).
    if fields.keys().any(|key| serde_json::to_string(key).expect("JSON").chars().count() > LONGEST_KEY) {
        return;
    }
    let again = written(&fields);
    let read = front_matter::split(&again).unwrap_or_else(|broken| panic!("{broken}: {again:?}"));
    assert_eq!(read.fields.as_ref(), Some(&fields), "{again:?}");
    assert_eq!(read.body, "");
}

/// The fields as the subset of YAML that JSON is.
fn written(fields: &Fields) -> String {
    let mut text = "---\n".to_owned();
    for key in fields.keys() {
        let value = match fields.get(key).expect("it has this key") {
            Value::Text(value) => serde_json::to_string(value),
            Value::Texts(values) => serde_json::to_string(values),
            Value::NotScalar => Ok("{\"a\": [[]]}".to_owned()),
        };
        text += &format!("{}: {}\n", serde_json::to_string(key).expect("JSON"), value.expect("JSON"));
    }
    text + "---\n"
}
