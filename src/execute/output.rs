//! What an executor prints: read to its end whatever it is, kept up to a limit, and not kept at all where it holds a secret.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::probes::Secrets;

/// How long a pipe that somebody else still holds is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lines of the last words.
const LAST: usize = 5;

/// What was kept of both outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Whether more was printed than was kept.
    pub cut: bool,
    /// Whether a secret value was printed; then nothing was kept.
    pub secret: bool,
}

/// One output on its way.
pub struct Stream {
    receiver: Receiver<(Vec<u8>, bool)>,
    limit: u64,
}

/// One output.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    cut: bool,
    secret: bool,
}

/// Reads an output on a thread of its own. What is beyond the limit is read and forgotten, so that nobody waits for it.
pub fn keep(mut stream: impl Read + Send + 'static, limit: u64) -> Stream {
    let (sender, receiver) = channel();
    let read = move || {
        let mut piece = vec![0; 1 << 16];
        let mut room = usize::try_from(limit).unwrap_or(usize::MAX);
        while let Ok(size) = stream.read(&mut piece) {
            if size == 0 {
                break;
            }
            let taken = size.min(room);
            room -= taken;
            if (taken > 0 || size > taken) && sender.send((piece[..taken].to_vec(), size > taken)).is_err() {
                break;
            }
        }
    };
    // Without the thread the sender is gone, and the output is told to be cut.
    let _ = std::thread::Builder::new().name("output".to_owned()).spawn(read);
    Stream { receiver, limit }
}

impl Stream {
    /// Everything that was kept, once the executor is gone.
    pub fn take(self, secrets: &Secrets) -> Output {
        let mut output = Output::default();
        loop {
            match self.receiver.recv_timeout(PATIENCE) {
                Ok((piece, cut)) => {
                    output.bytes.extend_from_slice(&piece);
                    output.cut |= cut;
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    output.cut = true;
                    break;
                }
            }
        }
        output.cut |= output.bytes.len() as u64 > self.limit;
        output.secret = secrets.occur_in(&output.bytes);
        output
    }
}

impl Kept {
    /// Both outputs; neither where one holds a secret.
    pub fn of(out: Output, err: Output) -> Self {
        let secret = out.secret || err.secret;
        let text = |bytes: Vec<u8>| if secret { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() };
        Self { cut: out.cut || err.cut, secret, out: text(out.bytes), err: text(err.bytes) }
    }

    /// The lines that claim progress: `phase NAME begun` and `phase NAME done`.
    pub fn claims(&self) -> Vec<String> {
        let claim = |line: &&str| {
            let words: Vec<_> = line.split(' ').collect();
            matches!(words[..], ["phase", name, "begun" | "done"] if name.len() <= 64 && !name.is_empty())
        };
        self.out.lines().filter(claim).take(100).map(str::to_owned).collect()
    }

    /// The last lines on standard error.
    pub fn last_words(&self) -> Vec<String> {
        let lines: Vec<_> = self.err.lines().filter(|line| !line.trim().is_empty()).collect();
        let short = |line: &&str| line.chars().take(300).collect::<String>();
        lines[lines.len().saturating_sub(LAST)..].iter().map(short).collect()
    }
}
