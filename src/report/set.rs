//! The report set: every numbered report rendered from one dossier, with the data beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Dossier, Facts, PackageLock, RenderError, Renderer, Templates};
use crate::evidence::{Recorded, canonical_json};
use crate::gates::Loaded;

/// Renders everything that one audit publishes, by file name. Pure: the same arguments give the same bytes.
///
/// # Errors
/// When a template is wrong, or a value would change a report's structure.
pub fn report_set(
    loaded: &Loaded,
    templates: &Templates,
    recorded: &Recorded,
    dossier: &Dossier,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let facts = Arc::new(Facts::of(&loaded.gates, &recorded.evidence));
    let renderer = Renderer::new(templates, &facts, dossier);
    let mut files = BTreeMap::new();
    for (report, view) in loaded.package.reports.iter().zip(&dossier.reports) {
        let template = report.template.clone().unwrap_or_else(|| format!("{}.md", report.number));
        files.insert(view.file.clone(), renderer.render(&template, view)?.into_bytes());
    }
    files.insert("evidence.json".to_owned(), recorded.bytes.clone());
    files.insert("result.json".to_owned(), canonical_json(dossier));
    files.insert("package.lock.json".to_owned(), canonical_json(&PackageLock::of(&loaded.files, templates, dossier)));
    Ok(files)
}
