//! File systems that tests mount: small, full, read-only, and dead ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted file system; dropping unmounts it.
pub struct Mount {
    at: PathBuf,
    /// The server's side of a FUSE mount, from which nothing is ever read.
    server: Option<File>,
}

impl Mount {
    /// A tmpfs with these mount options over a folder, which is made.
    pub fn tmpfs(at: impl Into<PathBuf>, options: &str) -> Self {
        let at = at.into();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]), &at);
        Self { at, server: None }
    }

    /// A FUSE file system whose server never answers, over a folder, which is made: every access waits, as on a network
    /// mount whose server is gone. Dropping closes the server's side first, which ends every access that waits
    /// with an error.
    pub fn dead(at: impl Into<PathBuf>) -> Self {
        let at = at.into();
        let server = File::options().read(true).write(true).open("/dev/fuse");
        let server = server.expect("/dev/fuse cannot be opened: run the tests as root, where the kernel has FUSE");
        // The mount belongs to whom the descriptor is passed by; standard input is a descriptor that every program has.
        let passed = server.try_clone().expect("a second descriptor");
        let options = "fd=0,rootmode=40000,user_id=0,group_id=0,allow_other";
        let mut mount = Command::new("mount");
        run(mount.args(["-i", "-t", "fuse", "-o", options, "dead"]).stdin(Stdio::from(passed)), &at);
        Self { at, server: Some(server) }
    }
}

fn run(mount: &mut Command, at: &Path) {
    std::fs::create_dir_all(at).expect("mkdir");
    let mounted = mount.arg(at).status().expect("mount is missing: apt-get install mount").success();
    assert!(mounted, "cannot mount: run the tests as root, in a container with --cap-add SYS_ADMIN");
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.server.take());
        // A panic here would hide that of the test.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
