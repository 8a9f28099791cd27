//! The report set: every numbered report rendered from one dossier, with the data beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Dossier, PackageLock, RenderError, Templates, facts, render};
use crate::evidence::{Evidence, canonical_json};
use crate::gates::Loaded;

/// Renders everything that one audit publishes, by file name. Pure: the same arguments give the same bytes.
///
/// # Errors
/// When a template is wrong, or a value would change a report's structure.
pub fn report_set(
    loaded: &Loaded,
    templates: &Templates,
    evidence: &Evidence,
    dossier: &Dossier,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let facts = Arc::new(facts(&loaded.gates, evidence));
    let mut files = BTreeMap::new();
    for (report, view) in loaded.package.reports.iter().zip(&dossier.reports) {
        let mut context =
            serde_json::to_value(dossier).expect("invariant: a dossier is made of text keys and plain values");
        context["report"] =
            serde_json::to_value(view).expect("invariant: a view is made of text keys and plain values");
        let template = report.template.clone().unwrap_or_else(|| format!("{}.md", report.number));
        files.insert(view.file.clone(), render(templates, &template, &context, &facts)?.into_bytes());
    }
    files.insert("evidence.json".to_owned(), canonical_json(evidence));
    files.insert("result.json".to_owned(), canonical_json(dossier));
    files.insert("package.lock.json".to_owned(), canonical_json(&PackageLock::of(&loaded.files, templates)));
    Ok(files)
}
