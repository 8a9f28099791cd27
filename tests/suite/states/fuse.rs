//! A file system in this process that serves one file slowly, or with errors: a network mount, a broken disk.
//!
//! It speaks as much of the kernel's FUSE protocol (fuse(4), `linux/fuse.h`, version 7.31) as one file needs; everything
//! else is answered with `ENOSYS`.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// What comes of a read of the one file.
#[derive(Clone, Copy)]
pub enum Served {
    /// One byte, after this time.
    Byte(Duration),
    /// This error number.
    Error(i32),
}

/// The name of the one file, and its size.
pub const NAME: &str = "file";
pub const SIZE: u64 = 4096;

/// The numbers of the requests that are answered.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;

const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// Serves requests until the file system is unmounted.
pub fn serve(mut kernel: File, served: Served) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length) = kernel.read(&mut request) {
        let request = &request[..length];
        let (opcode, unique, node) = (number(request, 4), &request[8..16], request[16]);
        let answer = match opcode {
            INIT => Ok([u32s(&[7, 31, 0, 0, 0, 4096, 1]), vec![0; 36]].concat()),
            LOOKUP if request[40..].starts_with(NAME.as_bytes()) => {
                // Node 2, generation, for how long name and attributes hold: not at all.
                Ok([u64s(&[2, 0, 0, 0, 0]), attributes(2)].concat())
            }
            LOOKUP => Err(ENOENT),
            GETATTR => Ok([u64s(&[0, 0]), attributes(node)].concat()),
            // Every read is passed on: the kernel keeps nothing (FOPEN_DIRECT_IO).
            OPEN => Ok([u64s(&[0]), u32s(&[1, 0])].concat()),
            OPENDIR => Ok([u64s(&[0]), u32s(&[0, 0])].concat()),
            // The first part of the listing holds the file, the next one nothing.
            READDIR if number(request, 48) == 0 => {
                let name = NAME.bytes().chain([0; 8]).take(NAME.len().next_multiple_of(8)).collect();
                let length = u32::try_from(NAME.len()).expect("a short name");
                Ok([u64s(&[2, 1]), u32s(&[length, 0o10]), name].concat())
            }
            READDIR => Ok(Vec::new()),
            READ => match served {
                Served::Byte(after) => {
                    std::thread::sleep(after);
                    Ok(b"#".to_vec())
                }
                Served::Error(error) => Err(error),
            },
            FORGET => continue,
            _ => Err(ENOSYS),
        };
        let (error, body) = answer.map_or_else(|error| (-error, Vec::new()), |body| (0, body));
        let length = u32::try_from(16 + body.len()).expect("a short answer");
        let answer = [&length.to_ne_bytes(), &error.to_ne_bytes(), unique, body.as_slice()].concat();
        // An answer that nobody waits for any more is refused.
        let _ = kernel.write_all(&answer);
    }
}

/// The attributes of the root (1) or of the file, which anyone may read.
fn attributes(node: u8) -> Vec<u8> {
    let (mode, size) = if node == 1 { (0o40_755, 0) } else { (0o100_644, SIZE) };
    [u64s(&[u64::from(node), size, 0, 0, 0, 0]), u32s(&[0, 0, 0, mode, 1, 0, 0, 0, 4096, 0])].concat()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn u64s(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
