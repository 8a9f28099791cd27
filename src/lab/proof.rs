//! The manifest beside a tree, and the record of a dry run that the tree's own program makes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Deserialize;
use walkdir::WalkDir;

use super::layout::set_mode;
use super::programs::{Programs, command, run};
use super::{LabError, TARGET};
use crate::evidence::{Digest256, Instant};

/// Writes `<tree>.sha256` in the form of sha256sum, sorted by the bytes of the paths, and returns the digest of
/// the tree, which is that of these lines.
pub fn write_manifest(tree: &Path) -> Result<Digest256, LabError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| LabError::File { doing, path, source }
    };
    let mut files = Vec::new();
    for entry in WalkDir::new(tree) {
        let entry = entry.map_err(std::io::Error::from).map_err(failed("list", tree))?;
        if entry.file_type().is_file() {
            let inside = entry.path().strip_prefix(tree).expect("invariant: the walk stays below its root");
            let contents = std::fs::read(entry.path()).map_err(failed("read", entry.path()))?;
            files.push((inside.as_os_str().as_bytes().to_vec(), Digest256::of(&contents)));
        }
    }
    files.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let mut manifest = Vec::new();
    for (path, digest) in &files {
        manifest.extend_from_slice(digest.as_str().as_bytes());
        manifest.extend_from_slice(b"  ");
        manifest.extend_from_slice(path);
        manifest.push(b'\n');
    }
    let beside = tree.with_added_extension("sha256");
    std::fs::write(&beside, &manifest).map_err(failed("write", &beside))?;
    set_mode(&beside, 0o644)?;
    Ok(Digest256::of(&manifest))
}

/// The part of a dry-run record that the builder checks.
#[derive(Deserialize)]
struct Record {
    tree_digest: String,
    counts_before: std::collections::BTreeMap<String, u64>,
    counts_after: std::collections::BTreeMap<String, u64>,
}

/// Runs the deployed program's dry run on the laboratory and returns the record's path, relative to `dir`.
pub fn dry_run(dir: &Path, programs: &Programs, tree: &Digest256, now: Instant) -> Result<String, LabError> {
    let relative = format!("records/dry-run-{}.json", now.format("%Y%m%dT%H%M%SZ"));
    let path = dir.join(&relative);
    let mut python = command(&programs.python);
    python.current_dir(dir.join("host/opt/cutter/v0.6")).args(["-B", "-m", "cutter", "dry-run"]);
    python.arg("--registry").arg(dir.join("governance.db")).args(["--target", TARGET]).arg("--record").arg(&path);
    run(&mut python)?;

    let bytes = std::fs::read(&path).map_err(|source| LabError::File { doing: "read", path: path.clone(), source })?;
    let wrong = |said: String| LabError::Record { path: path.clone(), said };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if record.tree_digest != tree.as_str() {
        return Err(wrong(format!("it names the tree {}, deployed is {tree}", record.tree_digest)));
    }
    if record.counts_before.is_empty() || record.counts_before != record.counts_after {
        return Err(wrong("its counts before and after are not equal".to_owned()));
    }
    Ok(relative)
}
