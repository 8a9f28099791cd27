//! ASCII armor (RFC 9580, section 6.2): the blocks of a file, decoded strictly.
//!
//! A file may hold several blocks, as `cat a.asc b.asc` makes it. Nothing is repaired: a line that looks like
//! the edge of a block and is not one, a stray character, or a checksum that does not match is an error,
//! because what a tolerant reader skips would be missing from the list without a word.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One armored block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// What stands between `BEGIN PGP` and the dashes: "PUBLIC KEY BLOCK".
    pub label: &'a str,
    /// The number of its first line, from 1.
    pub line: usize,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
}

/// A block whose end is not reached yet.
struct Open<'a> {
    label: &'a str,
    line: usize,
    /// Its inner lines with their numbers.
    lines: Vec<(usize, &'a str)>,
}

/// Why armor cannot be read.
#[derive(Debug)]
pub(super) struct ArmorError {
    /// The line, from 1.
    pub line: usize,
    /// A lower-case fragment.
    pub reason: String,
}

/// Whether `bytes` have an armored block, whole or not.
pub(super) fn is_armored(bytes: &[u8]) -> bool {
    bytes.windows(15).any(|window| window == b"-----BEGIN PGP ")
}

/// Every block of a text. Text between blocks is passed over, as gpg does.
pub(super) fn blocks(bytes: &[u8]) -> Result<Vec<Block<'_>>, ArmorError> {
    let fail = |line: usize, reason: &str| ArmorError { line, reason: reason.to_owned() };
    let mut found = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for (index, raw) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = std::str::from_utf8(raw).ok().map(str::trim_end);
        let begins = text.and_then(|text| edge(text, "-----BEGIN PGP "));
        let ends = text.and_then(|text| edge(text, "-----END PGP "));
        match (open.take(), begins, ends) {
            (None, Some(label), _) => open = Some(Open { label, line: number, lines: Vec::new() }),
            (Some(_), Some(_), _) => return Err(fail(number, "a block begins inside another")),
            (Some(block), None, Some(end)) if end == block.label => {
                found.push(Block { label: block.label, line: block.line, bytes: decode(&block.lines)? });
            }
            (_, None, Some(_)) => return Err(fail(number, "the end of a block that did not begin")),
            (None, None, None) => {
                if raw.starts_with(b"-----") || contains(raw, b"BEGIN PGP") || contains(raw, b"END PGP") {
                    return Err(fail(number, "a line that resembles the edge of an armored block and is not one"));
                }
            }
            (Some(mut block), None, None) => {
                block.lines.push((number, text.ok_or_else(|| fail(number, "bytes that are not text"))?));
                open = Some(block);
            }
        }
    }
    match open {
        Some(block) => Err(fail(block.line, "the block has no end")),
        None => Ok(found),
    }
}

fn contains(line: &[u8], what: &[u8]) -> bool {
    line.windows(what.len()).any(|window| window == what)
}

/// The label of an edge line.
fn edge<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    line.strip_prefix(prefix)?.strip_suffix("-----")
}

/// The bytes of a block's inner lines: headers, an empty line, base64, and perhaps a checksum.
fn decode(lines: &[(usize, &str)]) -> Result<Vec<u8>, ArmorError> {
    let fail = |line: usize, reason: String| ArmorError { line, reason };
    let first = lines.first().map_or(0, |(number, _)| *number);
    let gap = lines.iter().position(|(_, text)| text.is_empty());
    let Some(gap) = gap else {
        return Err(fail(first, "the block has no empty line after its headers".to_owned()));
    };
    if let Some((number, _)) = lines[..gap].iter().find(|(_, text)| !text.contains(": ") && !text.ends_with(':')) {
        return Err(fail(*number, "an armor header without a colon".to_owned()));
    }
    let mut body = String::new();
    let mut checksum = None;
    for (number, text) in &lines[gap + 1..] {
        match text.strip_prefix('=') {
            _ if checksum.is_some() => return Err(fail(*number, "text after the block's checksum".to_owned())),
            Some(digits) if digits.len() == 4 => checksum = Some((*number, digits)),
            _ => body.push_str(text),
        }
    }
    let bytes = STANDARD.decode(&body).map_err(|error| fail(first, format!("the base64 text is broken: {error}")))?;
    if let Some((number, digits)) = checksum {
        // RFC 9580 lets readers pass over this checksum; here it is one more witness against altered bytes.
        let sum = crc24(&bytes).to_be_bytes();
        if STANDARD.decode(digits).ok().as_deref() != Some(&sum[1..]) {
            return Err(fail(number, "the block's checksum does not match".to_owned()));
        }
    }
    Ok(bytes)
}

/// The CRC-24 of RFC 9580, section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00B7_04CE, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4CFB }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abc` in armor: RFC 4648 and the CRC-24 of RFC 9580 computed by gpg --enarmor.
    const BLOCK: &str =
        "-----BEGIN PGP SIGNATURE-----\nVersion: x\nComment:\n\nYWJj\n=uhx7\n-----END PGP SIGNATURE-----\n";

    fn failed(text: &str) -> (usize, String) {
        match blocks(text.as_bytes()) {
            Ok(found) => panic!("{} blocks in {text:?}", found.len()),
            Err(error) => (error.line, error.reason),
        }
    }

    #[test]
    fn blocks_are_whole_and_placed() {
        let checksum = STANDARD.encode(&crc24(b"abc").to_be_bytes()[1..]);
        assert_eq!(checksum, "uhx7");
        let text = format!("hello\n{BLOCK}between\n{}", BLOCK.replace("=uhx7\n", "").replace('\n', " \r\n"));
        let found = blocks(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"));
        let seen: Vec<_> = found.iter().map(|block| (block.label, block.line, block.bytes.as_slice())).collect();
        assert_eq!(seen, [("SIGNATURE", 2, b"abc".as_slice()), ("SIGNATURE", 10, b"abc".as_slice())]);
        assert_eq!(blocks(b"no armor at all\n").map(|found| found.len()).ok(), Some(0));
    }

    #[test]
    fn what_is_not_whole_is_an_error_with_its_line() {
        let table = [
            (BLOCK.replace("END PGP SIGNATURE", "END PGP MESSAGE"), 7, "did not begin"),
            (BLOCK.replace("Version: x", "-----BEGIN PGP MESSAGE-----"), 2, "inside another"),
            (BLOCK.replace("-----END PGP SIGNATURE-----\n", ""), 1, "no end"),
            (BLOCK.replace("\n\nYWJj", "\nYWJj"), 2, "no empty line"),
            (BLOCK.replace("Version: x", "Version"), 2, "without a colon"),
            (BLOCK.replace("=uhx7", "=uhx8"), 6, "does not match"),
            (BLOCK.replace("=uhx7", "=uhx7\nYWJj"), 7, "after the block's checksum"),
            (BLOCK.replace("=uhx7", "=uhx7\n=uhx7"), 7, "after the block's checksum"),
            (BLOCK.replace("=uhx7", "=uhx"), 2, "base64"),
            (BLOCK.replace("YWJj", "YW*j"), 2, "base64"),
            (BLOCK.replace("-----BEGIN", "----BEGIN"), 1, "resembles"),
            (BLOCK.replace("-----BEGIN PGP SIGNATURE-----", "-----x"), 1, "resembles"),
            (format!("x END PGP x\n{BLOCK}"), 1, "resembles"),
            (format!("{BLOCK}-----END PGP SIGNATURE-----\n"), 8, "did not begin"),
        ];
        for (text, line, reason) in table {
            let (at, said) = failed(&text);
            assert!(at == line && said.contains(reason), "line {at}: {said}, not line {line}: {reason} in {text}");
        }
    }
}
