//! A real systemd in namespaces of its own: of processes, mounts and control groups. What it runs is seen by programs that are
//! started in there, and by nobody else; everything ends with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cutgate::evidence::Evidence;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

const INSTALL: &str = "unshare and nsenter are missing: apt-get install util-linux";

/// Goes into a control group of its own, so that what systemd makes lies below it, and into the namespaces. The kernel does not
/// mount the same file system twice over the same place, so that there is another one between.
const ENTER: &str = r#"set -e
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
here="/sys/fs/cgroup${own%/}/cutgate-test-$$"
mkdir "$here"
echo $$ > "$here/cgroup.procs"
exec unshare --kill-child=KILL -p -f -m -C -n -u --mount-proc sh -c "$1""#;

/// What becomes the first process. /tmp stays, so that the package can be read. The first process of a machine may make it
/// an id, enable its units, name it and set limits of the kernel: it has an own /etc, and /proc/sys is read-only.
const BOOT: &str = r#"set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/etc
printf '[Unit]\nDescription=test\n' > /run/systemd/system/test.target
cp /etc/passwd /etc/group /run/etc
echo 0123456789abcdef0123456789abcdef > /run/etc/machine-id
mount --bind /run/etc /etc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no"#;

/// Removes the control group again, which is empty when the last process is gone.
const LEAVE: &str = r#"set -e
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    if find "/sys/fs/cgroup$1" -depth -type d -exec rmdir {} + 2>/dev/null; then exit 0; fi
    sleep 0.1
done
exit 1"#;

/// A machine that systemd runs.
pub struct Container {
    unshare: Child,
    init: String,
    group: String,
}

impl Container {
    /// Starts it, and waits until systemd answers.
    pub fn boot() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", ENTER, "sh", BOOT]).env_clear().env("container", "test").env("PATH", PATH);
        let unshare = unshare.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect(INSTALL);
        // As the script finds it; a kernel that never mounted one has no such line.
        let own = std::fs::read_to_string("/proc/self/cgroup").expect("the control group");
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().trim_end_matches('/');
        let group = format!("{own}/cutgate-test-{}", unshare.id());
        let mut container = Self { unshare, init: String::new(), group };
        let children = format!("/proc/{0}/task/{0}/children", container.unshare.id());
        let begun = Instant::now();
        loop {
            let needs = "systemd does not start: apt-get install systemd; run the tests as root, in a container with --cap-add SYS_ADMIN";
            assert!(begun.elapsed() < Duration::from_secs(120), "{needs}");
            container.init = std::fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
            if !container.init.is_empty() {
                let state = container
                    .command(Path::new("/"), "systemctl")
                    .arg("is-system-running")
                    .stderr(Stdio::null())
                    .output();
                if ["running", "degraded"].contains(&String::from_utf8_lossy(&state.expect(INSTALL).stdout).trim()) {
                    return container;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A program in there, begun in this folder.
    pub fn command(&self, dir: &Path, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        // Entering the mounts leads to the root.
        command.args(["-t", &self.init, "-m", "-p", "-C", "--", "sh", "-c", "cd \"$0\" && exec \"$@\""]);
        command.arg(dir).arg(program.as_ref()).env_clear().env("PATH", PATH).stdin(Stdio::null());
        command
    }

    /// Runs a shell script in there, which must succeed.
    pub fn shell(&self, script: &str) {
        let output = self.command(Path::new("/"), "sh").args(["-e", "-c", script]).output().expect(INSTALL);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes a service unit of these lines and lets systemd read it.
    pub fn unit(&self, name: &str, lines: &str) {
        let text = format!("[Unit]\\nDefaultDependencies=no\\n[Service]\\n{}\\n", lines.replace('\n', "\\n"));
        self.shell(&format!("printf '{text}' > /run/systemd/system/{name}.service; systemctl daemon-reload"));
    }

    /// Sends a signal to systemd itself.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.init]).status().expect("kill");
        assert!(sent.success());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Its child, the first process of the namespace, is killed with it, and everything in there with that.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let left = Command::new("unshare").args(["-m", "sh", "-c", LEAVE, "sh", &self.group]).status();
        assert!(std::thread::panicking() || left.is_ok_and(|left| left.success()), "{} is left", self.group);
    }
}

/// What an audit of the package in `dir` recorded, made by the real program as this command begins it. The program lies where
/// everybody may run it.
pub fn audited(mut begun: Command, dir: &Path) -> Evidence {
    let reports = dir.join("reports");
    std::fs::create_dir_all(&reports).expect("mkdir");
    std::fs::set_permissions(&reports, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
    let output = begun.arg("audit").current_dir(dir).output().expect(INSTALL);
    let published = std::fs::read_dir(&reports).expect("reports").flatten().find(|entry| entry.path().is_dir());
    let said = String::from_utf8_lossy(&output.stderr);
    let folder = published.unwrap_or_else(|| panic!("nothing was published: {said}")).path();
    let text = std::fs::read(folder.join("evidence.json")).expect("evidence.json");
    std::fs::remove_dir_all(&reports).expect("remove");
    serde_json::from_slice(&text).expect("evidence")
}

/// A copy of the program in `dir`.
pub fn program_in(dir: &Path) -> std::path::PathBuf {
    let to = dir.join("cutgate-here");
    std::fs::copy(assert_cmd::cargo::cargo_bin("cutgate"), &to).expect("copy");
    to
}
