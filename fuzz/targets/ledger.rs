//! Ledgers. One that is read has as many lines as the file, and the lines are the file.

use cutgate::evidence::canonical_json;
use cutgate::report::{LEDGER, read_ledger};

use super::{folder, write};

pub fn run(data: &[u8]) {
    let dir = folder();
    write(dir.path().join(LEDGER), data);
    let Ok(lines) = read_ledger(dir.path()) else { return };
    let written: Vec<u8> = lines.iter().flat_map(|(line, _)| canonical_json(line)).collect();
    assert_eq!(written, data, "every byte is a line that was understood");
    assert!(lines.is_sorted_by(|(a, _), (b, _)| a.number < b.number));
}
