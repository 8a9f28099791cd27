//! Where formats go: one to standard output, others to files.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::interrupt::Interrupts;
use crate::probes::Secrets;
use crate::report::PublishError;
use crate::report::format::{self, Audited, FORMATS, Format, Judged};

/// A format and where it goes.
pub struct Output {
    format: &'static Format,
    file: Option<PathBuf>,
}

/// A format's name, and where a text of it goes: to a file, or to standard output where none is named.
pub struct Destination {
    /// The format's name, one of those that are known.
    pub name: &'static str,
    file: Option<PathBuf>,
}

impl Destination {
    /// Writes a text there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn put(&self, text: &str) -> Result<(), CommandError> {
        match &self.file {
            Some(path) => to_file(path, text.as_bytes()),
            None => to_stdout(text),
        }
    }
}

/// Reads `--format` values. Where none goes to standard output, `text` does.
///
/// # Errors
/// An unknown name, an empty file name, or two formats for standard output.
pub fn outputs(given: &[String]) -> Result<Vec<Output>, CommandError> {
    let destinations = destinations(given, FORMATS.iter().map(|format| format.name))?;
    let output = |to: Destination| Ok(Output { format: named(to.name)?, file: to.file });
    destinations.into_iter().map(output).collect()
}

/// As [`outputs`], for a command with formats of its own; `text` must be one of them.
///
/// # Errors
/// As [`outputs`].
pub fn destinations(
    given: &[String],
    known: impl Iterator<Item = &'static str> + Clone,
) -> Result<Vec<Destination>, CommandError> {
    let read = |text: &String| destination(text, known.clone());
    let mut destinations = given.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut files = std::collections::BTreeSet::new();
    for file in destinations.iter().filter_map(|destination| destination.file.as_deref()) {
        let file = place_of(file)?;
        if !files.insert(file.clone()) {
            return Err(CommandError::Usage(format!("two formats cannot go to one file: {}", file.display())));
        }
    }
    match destinations.iter().filter(|destination| destination.file.is_none()).count() {
        0 => destinations.insert(0, Destination { name: "text", file: None }),
        1 => {}
        _ => {
            return Err(CommandError::Usage(
                "only one format can go to standard output; write the others as --format NAME=FILE".to_owned(),
            ));
        }
    }
    Ok(destinations)
}

impl Output {
    /// The format's name.
    pub fn name(&self) -> &'static str {
        self.format.name
    }

    /// Some gates without a result in this format.
    ///
    /// # Errors
    /// A format that shows a result.
    pub fn some(&self, judged: &Judged<'_>) -> Result<String, CommandError> {
        Ok(some(self)?(judged))
    }

    /// Writes a text where this output goes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn put(&self, text: &str) -> Result<(), CommandError> {
        match &self.file {
            Some(path) => to_file(path, text.as_bytes()),
            None => to_stdout(text),
        }
    }
}

fn destination(text: &str, known: impl Iterator<Item = &'static str> + Clone) -> Result<Destination, CommandError> {
    let (name, file) = match text.split_once('=') {
        Some((_, "")) => return Err(CommandError::Usage(format!("--format {text}: name a file after `=`"))),
        Some((name, file)) => (name, Some(PathBuf::from(file))),
        None => (text, None),
    };
    match known.clone().find(|known| *known == name) {
        Some(name) => Ok(Destination { name, file }),
        None => Err(unknown(name, known)),
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> CommandError {
    CommandError::Usage(format!("there is no format `{name}`; {}", crate::package::diagnostic::suggestion(name, known)))
}

/// The format of a name.
///
/// # Errors
/// An unknown name, with the nearest one.
pub fn named(name: &str) -> Result<&'static Format, CommandError> {
    format::find(name).ok_or_else(|| unknown(name, FORMATS.iter().map(|format| format.name)))
}

/// Whether a format shows what was read and what was published before.
pub fn detailed(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| output.format.detailed)
}

/// Writes every format of an audit, unless a secret value occurs in one.
///
/// # Errors
/// Files that cannot be written, secret values: all of them, after everything else was written.
pub fn write(
    outputs: &[Output],
    audited: &Audited<'_>,
    secrets: &Secrets,
    interrupts: &Interrupts,
) -> Result<(), CommandError> {
    each(outputs, secrets, interrupts, |output| {
        Ok((output.format.render)(&Audited { colours: output.file.is_none(), ..*audited }))
    })
}

/// Writes every format that can show some gates without a result.
///
/// # Errors
/// As [`write`]; a format that needs a result, as [`check_some`] finds before anything is read.
pub fn write_some(
    outputs: &[Output],
    judged: &Judged<'_>,
    secrets: &Secrets,
    interrupts: &Interrupts,
) -> Result<(), CommandError> {
    // As publishing does for a whole audit: a format's escaping could hide a secret from the search in what it wrote.
    let gates =
        serde_json::to_string(&judged.gates).expect("invariant: findings are made of text keys and plain values");
    without(secrets, &gates, "the findings")?;
    each(outputs, secrets, interrupts, |output| Ok(some(output)?(judged)))
}

/// Renders and writes each output, standard output last. One that fails keeps no other from being written.
fn each(
    outputs: &[Output],
    secrets: &Secrets,
    interrupts: &Interrupts,
    render: impl Fn(&Output) -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    let one = |output: &Output| {
        let text = render(output)?;
        match &output.file {
            Some(path) => {
                without(secrets, &text, &path.display().to_string())?;
                interrupts.undisturbed(|_| to_file(path, text.as_bytes()))
            }
            None => to_stdout_without(secrets, &text),
        }
    };
    let (files, stdout): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.file.is_some());
    let failed: Vec<CommandError> = files.into_iter().chain(stdout).filter_map(|output| one(output).err()).collect();
    let mut failed = failed.into_iter();
    match (failed.next(), failed.next()) {
        (None, _) => Ok(()),
        (Some(only), None) => Err(only),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(failed).map(|error| error.to_string());
            Err(CommandError::Usage(all.collect::<Vec<_>>().join("\n")))
        }
    }
}

/// Whether every format can show some gates without a result.
///
/// # Errors
/// The first that cannot.
pub fn check_some(outputs: &[Output]) -> Result<(), CommandError> {
    outputs.iter().try_for_each(|output| some(output).map(|_| ()))
}

fn some(output: &Output) -> Result<fn(&Judged<'_>) -> String, CommandError> {
    output.format.render_some.ok_or_else(|| {
        let able = FORMATS.iter().filter(|format| format.render_some.is_some()).map(|format| format.name);
        let able: Vec<_> = able.collect();
        CommandError::Usage(format!(
            "the format `{}` shows a result, and some gates give none; use one of {}, or leave --only and --profile away",
            output.format.name,
            able.join(", ")
        ))
    })
}

/// Prints to standard output, unless a secret value occurs in the text.
///
/// # Errors
/// As [`to_stdout`], and a secret value.
pub fn to_stdout_without(secrets: &Secrets, text: &str) -> Result<(), CommandError> {
    without(secrets, text, "standard output")?;
    to_stdout(text)
}

fn without(secrets: &Secrets, text: &str, place: &str) -> Result<(), CommandError> {
    if secrets.occur_in(text.as_bytes()) {
        return Err(CommandError::Publish(PublishError::Secret { file: place.to_owned() }));
    }
    Ok(())
}

/// Prints to standard output; colours are taken away where it is no terminal or NO_COLOR is set. A reader
/// that closed the pipe has seen what it wanted.
///
/// # Errors
/// Anything but a closed pipe.
pub fn to_stdout(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::Usage(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where a file will be, once nothing speaks against writing it there: its folder is one, and what has its name, if
/// anything, is a regular file. The new file takes the place of the old one, so that a device, a FIFO or a link of that
/// name would be replaced and not written to.
///
/// # Errors
/// What speaks against it.
fn place_of(path: &Path) -> Result<PathBuf, CommandError> {
    let cannot = |why: &str| CommandError::Usage(format!("cannot write {}: {why}", path.display()));
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| cannot("it names a folder; name a file"))?;
    let folder = folder.canonicalize().map_err(|error| cannot(&format!("its folder: {error}")))?;
    if !folder.is_dir() {
        return Err(cannot("what should be its folder is none"));
    }
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Err(cannot("it is a folder; name a file")),
        Ok(found) if found.is_symlink() => Err(cannot("it is a link, which would be replaced; name the file itself")),
        Ok(found) if !found.is_file() => {
            Err(cannot("it is no regular file and would be replaced; leave `=FILE` away for standard output"))
        }
        Ok(_) => Ok(folder.join(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(folder.join(name)),
        Err(error) => Err(cannot(&error.to_string())),
    }
}

/// Writes a file that appears whole or not at all.
fn to_file(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    });
    written.map_err(|error| CommandError::Usage(format!("cannot write {}: {error}", path.display())))
}

/// A count with its noun, which makes its plural with an s.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
