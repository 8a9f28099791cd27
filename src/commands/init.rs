//! `init`: writes a new package to fill in: the laboratory's, with what belongs to the laboratory taken out; or the example
//! of a host.

use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use super::cli::{InitArgs, InitKind};
use super::{CommandError, output};
use crate::lab::PACKAGE_TEMPLATE;

/// What stands where only a person knows the value. It fits nothing, so that `gates check` points at it.
const FILL_IN: &str = "FILL-IN";

/// The package of a host, which needs nothing to be filled in.
static HOST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/host");

pub fn run(args: &InitArgs) -> Result<u8, CommandError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| CommandError::Usage(format!("cannot write {path}: {error}"))
    };
    let dir = &args.dir;
    fs::create_dir_all(dir).map_err(failed(dir))?;
    if fs::read_dir(dir).map_err(failed(dir))?.next().is_some() {
        return Err(CommandError::Usage(format!("{} is not empty; name a new folder", dir.display())));
    }
    let file = dir.join("cutgate.toml");
    if args.kind == InitKind::Host {
        write_all(&HOST, dir).map_err(|(path, error)| failed(&path)(error))?;
        let text = format!("package in {}, with one gate\nnext: cutgate -p {} audit\n", dir.display(), file.display());
        output::to_stdout(&text)?;
        return Ok(0);
    }
    let text = package(&host());
    fs::write(&file, &text).map_err(failed(&file))?;
    for folder in ["gates", "kb/runbooks", "records/drills", "requests", "keys"] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
    }
    let places = text.lines().filter(|line| line.contains(FILL_IN)).count();
    output::to_stdout(&format!(
        "package in {}: {places} places say {FILL_IN}, and every path and parameter wants a look\n\
         next: cutgate -p {} gates check\n",
        dir.display(),
        file.display()
    ))?;
    Ok(0)
}

/// Writes the files of an example, with this host's name in them.
fn write_all(from: &Dir<'_>, into: &Path) -> Result<(), (PathBuf, std::io::Error)> {
    for entry in from.entries() {
        let path = into.join(entry.path());
        match entry {
            DirEntry::Dir(folder) => {
                fs::create_dir_all(&path).map_err(|error| (path, error))?;
                write_all(folder, into)?;
            }
            DirEntry::File(file) => {
                let text = String::from_utf8_lossy(file.contents()).replace("@HOST@", &host());
                fs::write(&path, text).map_err(|error| (path, error))?;
            }
        }
    }
    Ok(())
}

/// This host's name: the one thing that can be filled in.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The laboratory's package file without its root prefix and with its placeholders to fill in.
fn package(host: &str) -> String {
    let lines = PACKAGE_TEMPLATE.lines().filter(|line| !line.starts_with("root = "));
    let mut text: String = lines.flat_map(|line| [line, "\n"]).collect();
    // In [params] the prefix of paths in commands stays, empty: on the host itself there is none.
    text = text.replace("\n[params]\n", "\n[params]\nroot = \"\"\n");
    text = text.replace("@HOST@", host);
    // What is true of the laboratory alone.
    let own = regex::Regex::new("(?m)^(machine_id|redeploy_command|deploy_command) = .*$")
        .expect("invariant: the expression is constant and valid");
    text = own.replace_all(&text, format!("$1 = \"{FILL_IN}\"")).into_owned();
    let placeholder = regex::Regex::new("@[A-Z_]+@").expect("invariant: the expression is constant and valid");
    placeholder.replace_all(&text, FILL_IN).into_owned()
}
