//! File systems that tests mount: small, full, read-only, and dead ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use super::fuse::Served;

/// A mounted file system; dropping unmounts it.
pub struct Mount {
    at: PathBuf,
    /// The server's side of a dead mount, from which nothing is ever read.
    dead: Option<File>,
    server: Option<JoinHandle<()>>,
}

impl Mount {
    /// A tmpfs with these mount options over a folder, which is made.
    pub fn tmpfs(at: impl Into<PathBuf>, options: &str) -> Self {
        let at = at.into();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]), &at);
        Self { at, dead: None, server: None }
    }

    /// A FUSE file system whose server never answers, over a folder, which is made: every access waits, as on a network
    /// mount whose server is gone. Dropping closes the server's side first, which ends every access that waits
    /// with an error.
    pub fn dead(at: impl Into<PathBuf>) -> Self {
        let at = at.into();
        Self { dead: Some(fuse(&at)), at, server: None }
    }

    /// A file system with one file, [`super::fuse::NAME`], whose reads end in this way.
    pub fn serving(at: impl Into<PathBuf>, served: Served) -> Self {
        let at = at.into();
        let kernel = fuse(&at);
        let server = std::thread::spawn(move || super::fuse::serve(kernel, served));
        Self { at, dead: None, server: Some(server) }
    }
}

/// Mounts a FUSE file system over a folder, which is made; returns the server's side.
fn fuse(at: &Path) -> File {
    let server = File::options().read(true).write(true).open("/dev/fuse");
    let server = server.expect("/dev/fuse cannot be opened: run the tests as root, where the kernel has FUSE");
    // The descriptor is passed as standard input, for that is one whose number every program knows.
    let passed = server.try_clone().expect("a second descriptor");
    let options = "fd=0,rootmode=40000,user_id=0,group_id=0,allow_other";
    let mut mount = Command::new("mount");
    run(mount.args(["-i", "-t", "fuse", "-o", options, "fuse"]).stdin(Stdio::from(passed)), at);
    server
}

fn run(mount: &mut Command, at: &Path) {
    std::fs::create_dir_all(at).expect("mkdir");
    let mounted = mount.arg(at).status().expect("mount is missing: apt-get install mount").success();
    assert!(mounted, "cannot mount: run the tests as root, in a container with --cap-add SYS_ADMIN");
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.dead.take());
        // A panic here would hide that of the test.
        let unmounted = Command::new("umount").arg("-l").arg(&self.at).status().is_ok_and(|status| status.success());
        if let Some(server) = self.server.take().filter(|_| unmounted) {
            let _ = server.join();
        }
    }
}
