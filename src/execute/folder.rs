//! A request's folder: it appears whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::evidence::RunId;
use crate::probes::Secrets;
use crate::report::{PublishError, sync_dir, write_synced};

/// Writes the files of a run into a folder of its name below `requests`, which is created where it is missing.
///
/// # Errors
/// When a secret value occurs in a file, or something cannot be written: then the folder does not exist.
pub fn write(
    requests: &Path,
    run_id: &RunId,
    files: &BTreeMap<String, Vec<u8>>,
    secrets: &Secrets,
) -> Result<PathBuf, PublishError> {
    if let Some((file, _)) = files.iter().find(|(_, bytes)| secrets.occur_in(bytes)) {
        return Err(PublishError::Secret { file: file.clone() });
    }
    let failed = |tried: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error| PublishError::Io { tried, path, error }
    };
    fs::create_dir_all(requests).map_err(failed("create", requests))?;
    let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(requests);
    let draft = draft.map_err(failed("create a folder in", requests))?;
    write_synced(draft.path(), files)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(draft.path(), mode).map_err(failed("set the mode of", draft.path()))?;
    sync_dir(draft.path()).map_err(failed("sync", draft.path()))?;
    let target = requests.join(run_id.as_str());
    // A folder of that name would be replaced by the system if it were empty.
    if target.symlink_metadata().is_ok() {
        let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(failed("publish as", &target)(error));
    }
    fs::rename(draft.path(), &target).map_err(failed("publish as", &target))?;
    sync_dir(requests).map_err(failed("sync", requests))?;
    Ok(target)
}
