//! Programs joined by pipes: what one prints the next one reads, however much it is, and none of it is on a disk.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// How many bytes the second program is chosen by.
const HEAD: u64 = 5;

/// Runs a program to its end with bytes on its standard input, and gives what it prints.
///
/// # Errors
/// When it cannot be run, or fails: what it said.
pub(super) fn fed(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let name = name(command);
    let failed = |error: io::Error| format!("{name}: {error}");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A program that ends early closes the pipe; what it says of that stands in its output.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output().map_err(failed)
    })?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(ended(&name, output.status, &output.stderr)),
    }
}

/// Runs a program, and the one that `next` makes of the first bytes that it prints, which reads all of them. Both must end well.
///
/// # Errors
/// When one cannot be run, or fails: what it said.
pub(super) fn flow(from: &mut Command, input: Stdio, next: impl FnOnce(&[u8]) -> Command) -> Result<(), String> {
    let first = name(from);
    let mut source = from
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{first}: {error}"))?;
    let said = drained(&mut source);
    let mut stream = source.stdout.take().expect("invariant: it was made to print into a pipe");
    let mut head = Vec::new();
    let peeked = stream.by_ref().take(HEAD).read_to_end(&mut head);
    let mut to = next(&head);
    let second = name(&to);
    let sink = to.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut sink = match sink {
        Ok(sink) => sink,
        Err(error) => {
            drop(stream);
            let _ = source.wait();
            return Err(format!("{second}: {error}"));
        }
    };
    let heard = drained(&mut sink);
    let moved = peeked.and_then(|_| {
        let mut stdin = sink.stdin.take().expect("invariant: it was made to read from a pipe");
        io::copy(&mut head.as_slice().chain(&mut stream), &mut stdin)
    });
    drop(stream);
    let end = |child: &mut Child, name: &str, said: Drain| {
        let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
        let said = said.join().unwrap_or_default();
        if status.success() { Ok(()) } else { Err(ended(name, status, &said)) }
    };
    let (first, second) = (end(&mut source, &first, said), end(&mut sink, &second, heard));
    // Where the second one failed, the first may have met a closed pipe: that is not the cause.
    second.and(first)?;
    moved.map(drop).map_err(|error| format!("between two programs: {error}"))
}

type Drain = JoinHandle<Vec<u8>>;

/// Reads what a program says of errors, so that it never waits for that.
fn drained(child: &mut Child) -> Drain {
    let stream = child.stderr.take();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stream.map(|mut stream| stream.read_to_end(&mut said));
        said
    })
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn ended(name: &str, status: ExitStatus, said: &[u8]) -> String {
    format!("{name} ended with {status}: {}", String::from_utf8_lossy(said).trim())
}
