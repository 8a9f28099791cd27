//! The folder of the reports: whether it can be written, without writing there, and what its ledger says.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

use super::Line;
use crate::commands::session;

/// What an audit and its publication need at least, in bytes; where audits were published, room for ten more as large.
const ROOM: u64 = 32 << 20;

/// How many files and folders there must be room for.
const INODES: u64 = 256;

pub fn lines(root: &Path) -> Vec<Line> {
    let mut lines = vec![writable(root), space(root)];
    if root.is_dir() {
        lines.push(ledger(root));
    }
    lines
}

/// The folder, or the nearest one above it that is there.
fn nearest(root: &Path) -> PathBuf {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let there = absolute.ancestors().find(|path| path.symlink_metadata().is_ok());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn writable(root: &Path) -> Line {
    let what = "report folder";
    let place = nearest(root);
    let (shown, user) = (place.display(), session::user());
    let look = format!("namei -l {shown}");
    match std::fs::metadata(&place) {
        Ok(meta) if !meta.is_dir() => return Line::problem(what, format!("{shown} is no directory"), look),
        Ok(_) => {}
        Err(error) => return Line::untold(what, format!("{shown}: {error}"), look),
    }
    // The kernel is asked, by the rights that this process has (faccessat2(2)); nothing is written.
    let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::accessat(CWD, &place, wanted, AtFlags::EACCESS) {
        Ok(()) if place.ends_with(root.file_name().unwrap_or_default()) => {
            Line::ok(what, format!("{user} may write to {}", root.display()))
        }
        Ok(()) => Line::ok(what, format!("{} is not there yet; {user} may make it in {shown}", root.display())),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS) => {
            Line::problem(what, format!("{user} may not write to {shown}"), look)
        }
        Err(error) => Line::untold(what, format!("{shown}: {error}"), look),
    }
}

fn space(root: &Path) -> Line {
    let what = "space";
    let place = nearest(root);
    let look = format!("df -h {}", place.display());
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let stat = match rustix::fs::statvfs(&place) {
        Ok(stat) => stat,
        Err(error) => return Line::untold(what, format!("{}: {error}", place.display()), look),
    };
    if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Line::problem(what, format!("{} is mounted read-only", place.display()), look);
    }
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let wanted = ROOM.max(largest(root).saturating_mul(10));
    if free < wanted {
        return Line::problem(what, format!("{} free, {} wanted", mib(free), mib(wanted)), look);
    }
    // File systems without a fixed number of inodes say zero of both.
    if stat.f_files > 0 && stat.f_favail < INODES {
        return Line::problem(what, format!("{} inodes free, {INODES} wanted", stat.f_favail), look);
    }
    Line::ok(what, format!("{} free, {} wanted", mib(free), mib(wanted)))
}

/// The bytes of the largest published audit; what cannot be seen counts as nothing, for it is only an estimate.
fn largest(root: &Path) -> u64 {
    let size = |folder: PathBuf| -> u64 {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.filter(|path| path.is_dir()).map(size).max().unwrap_or(0)
}

fn ledger(root: &Path) -> Line {
    match crate::report::read_ledger(root) {
        Ok(lines) => Line::ok("ledger", format!("{} lines, each chained to the one before", lines.len())),
        Err(error) => Line::problem("ledger", error.to_string(), format!("cutgate verify {}", root.display())),
    }
}
