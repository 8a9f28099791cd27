//! A room: a folder for one state, with the package in it, the host below it, and what must stay alive.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fuse::Served;
use super::mount::Mount;
use crate::harness;

/// The folder of one state. It is removed, and what it keeps is dropped before, in the reverse order of keeping.
pub struct Room {
    kept: RefCell<Vec<Box<dyn Any>>>,
    words: RefCell<BTreeMap<String, String>>,
    rooted: bool,
    dir: tempfile::TempDir,
}

impl Room {
    /// An empty room. With a root prefix the host is its folder `host`, in which root owns everything and the
    /// accounts `cutter`, of whom everything is that the tests make, and `other` exist.
    pub fn new(rooted: bool) -> Self {
        let dir = harness::open_dir();
        let room = Self { kept: RefCell::default(), words: RefCell::default(), rooted, dir };
        if rooted {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            room.write("etc/passwd", format!("cutter:x:{uid}:{gid}::/:/bin/false\nother:x:7001:7001::/:/bin/false\n"));
            room.write("etc/group", format!("cutters:x:{gid}:\nothers:x:7001:\n"));
        }
        room
    }

    /// A path in the package folder.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// A path on the host: below the root prefix where there is one, else in the package folder.
    pub fn host(&self, relative: impl AsRef<Path>) -> PathBuf {
        if self.rooted { self.path("host").join(relative) } else { self.path(relative) }
    }

    /// Writes a file on the host, with the folders above it, mode 0644.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.host(relative);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("mkdir");
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{relative}: {error}"));
        self.mode(relative, 0o644);
    }

    /// Makes a folder on the host, with those above it.
    pub fn dir(&self, relative: &str, bits: u32) {
        std::fs::create_dir_all(self.host(relative)).expect("mkdir");
        self.mode(relative, bits);
    }

    /// Removes a file, or a folder with everything in it.
    pub fn remove(&self, relative: &str) {
        let path = self.host(relative);
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.unwrap_or_else(|error| panic!("{relative}: {error}"));
    }

    /// Sets the mode of something on the host.
    pub fn mode(&self, relative: &str, bits: u32) {
        std::fs::set_permissions(self.host(relative), PermissionsExt::from_mode(bits)).expect("chmod");
    }

    /// Makes a FIFO that nobody writes to.
    pub fn fifo(&self, relative: &str) {
        let made = Command::new("mkfifo").args(["-m", "0644"]).arg(self.host(relative)).status();
        assert!(made.expect("mkfifo is missing: apt-get install coreutils").success());
    }

    /// Makes a socket on which nobody listens any more.
    pub fn socket(&self, relative: &str) {
        drop(std::os::unix::net::UnixListener::bind(self.host(relative)).expect("a socket"));
    }

    /// Makes a character device that never ends: a second /dev/zero.
    pub fn device(&self, relative: &str) {
        let made = Command::new("mknod").args(["-m", "0644"]).arg(self.host(relative)).args(["c", "1", "5"]).status();
        assert!(made.expect("mknod is missing: apt-get install coreutils").success(), "run the tests as root");
    }

    /// Makes a sparse file of this many bytes, mode 0644: it takes no space.
    pub fn sparse(&self, relative: &str, bytes: u64) {
        self.write(relative, "");
        let file = std::fs::File::options().write(true).open(self.host(relative)).expect("open");
        file.set_len(bytes).expect("a sparse file");
    }

    /// Mounts a tmpfs over a folder on the host, which is made, until the state was judged.
    pub fn tmpfs(&self, relative: &str, options: &str) {
        self.keep(Mount::tmpfs(self.host(relative), options));
    }

    /// Makes a mounted file system read-only.
    pub fn read_only(&self, relative: &str) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(self.host(relative)).status();
        assert!(remounted.expect("mount is missing: apt-get install mount").success());
    }

    /// Puts an access control list (acl(5)) beside mode 0777: user::rwx, user:7001:---, group::rwx, mask::rwx, other::rwx.
    pub fn access_control_list(&self, relative: &str) {
        let entries: [(u16, u16, u32); 5] =
            [(1, 7, u32::MAX), (2, 0, 7001), (4, 7, u32::MAX), (0x10, 7, u32::MAX), (0x20, 7, u32::MAX)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(self.host(relative), "system.posix_acl_access", &list, flags).expect("setxattr");
    }

    /// Mounts a file system that never answers over a folder on the host, which is made, until the state was judged.
    pub fn dead_mount(&self, relative: &str) {
        self.keep(Mount::dead(self.host(relative)));
    }

    /// Puts a file on a file system that serves it slowly or with errors, through a symlink, until the state was judged.
    pub fn served(&self, relative: &str, served: Served) {
        self.keep(Mount::serving(self.host("mnt"), served));
        let _ = std::fs::remove_file(self.host(relative));
        std::os::unix::fs::symlink(format!("/mnt/{}", super::fuse::NAME), self.host(relative)).expect("symlink");
    }

    /// Gives `<name>` its value in the settings and the rule; the page shows `<name>` where the value occurs,
    /// unless it is shorter than four bytes; a port only after `:` or `=`.
    pub fn word(&self, name: &str, value: impl Into<String>) {
        self.words.borrow_mut().insert(format!("<{name}>"), value.into());
    }

    /// Keeps something alive until the state was judged.
    pub fn keep(&self, kept: impl Any) {
        self.kept.borrow_mut().push(Box::new(kept));
    }

    /// Writes a file of the package, words filled in.
    pub(super) fn package_file(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("mkdir");
        let words = self.words.borrow();
        let text = words.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        let text = text.replace("<package>", &self.dir.path().to_string_lossy());
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{relative}: {error}"));
    }

    /// A text without what differs from run to run: words by their names, the package folder, instants, digests.
    pub(super) fn normalised(&self, text: &str) -> String {
        let words = self.words.borrow();
        // A short value is found everywhere by chance.
        let words = words.iter().filter(|(_, value)| value.len() > 3);
        let text = words.fold(text.to_owned(), |text, (name, value)| {
            if value.len() > 5 || value.bytes().any(|byte| !byte.is_ascii_digit()) {
                return text.replace(value.as_str(), name);
            }
            // A port is meant only where an address has one: it may be the number of an SQLSTATE, a size or a line.
            let number = regex::Regex::new(&format!(r"([:=]){value}\b")).expect("a pattern");
            number.replace_all(&text, format!("${{1}}{name}")).into_owned()
        });
        let text = text.replace(self.dir.path().to_string_lossy().as_ref(), "<package>");
        let masks = [
            (r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?", "<instant>"),
            (r"\b[0-9a-f]{64}\b", "<sha256>"),
        ];
        masks.iter().fold(text, |text, (pattern, by)| {
            regex::Regex::new(pattern).expect("a pattern").replace_all(&text, *by).into_owned()
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut kept = self.kept.take();
        while let Some(last) = kept.pop() {
            drop(last);
        }
    }
}
