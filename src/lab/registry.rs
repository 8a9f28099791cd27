//! Fills the embedded registry from the SQL files and documents under `lab/registry/`.

use std::path::Path;

use rusqlite::{Connection, params};

use super::LabError;
use super::layout::{set_mode, text_of, texts_in};
use crate::evidence::Digest256;

/// Writes the registry. All of it goes in as one transaction.
pub fn write(path: &Path) -> Result<(), LabError> {
    let failed = |step: &str| {
        let step = step.to_owned();
        move |source| LabError::Registry { step, source }
    };
    let mut connection = Connection::open(path).map_err(failed("an empty file"))?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed("an empty file"))?;
    let transaction = connection.transaction().map_err(failed("an empty file"))?;
    for file in ["schema.sql", "documents.sql"] {
        transaction.execute_batch(text_of(&format!("registry/{file}"))).map_err(failed(file))?;
    }
    for (name, content) in texts_in("registry/documents") {
        let (id, version) = document(name);
        let digest = Digest256::of(content.as_bytes());
        let inserted = transaction.execute(
            "INSERT INTO source_version (document_id, version, content, content_sha256, recorded_utc)
             SELECT id, ?2, ?3, ?4, created_utc FROM source_document WHERE id = ?1",
            params![id, version, content, digest.as_str()],
        );
        match inserted.map_err(failed(name))? {
            1 => {}
            _ => return Err(failed(name)(rusqlite::Error::QueryReturnedNoRows)),
        }
    }
    for file in ["sandbox.sql", "governance.sql"] {
        transaction.execute_batch(text_of(&format!("registry/{file}"))).map_err(failed(file))?;
    }
    transaction.commit().map_err(failed("everything"))?;
    connection.close().map_err(|(_, source)| LabError::Registry { step: "everything".to_owned(), source })?;
    set_mode(path, 0o644)
}

/// The id and version in a document's file name, `<id>@<version>.md`.
fn document(name: &str) -> (&str, u32) {
    let parts = name.strip_suffix(".md").and_then(|stem| stem.split_once('@'));
    let parsed = parts.and_then(|(id, version)| Some((id, version.parse().ok()?)));
    parsed.expect("invariant: documents of the laboratory are named <id>@<version>.md")
}
