//! What the first bytes of a file say that it is. A function of bytes.
//!
//! Marks of dumps are those that the programs write: pg_dump(1) and pg_dumpall(1), mysqldump, the SQLite file format (section 1.3)
//! and the command `.dump` of sqlite3(1). Marks of containers are those of their formats, as file(1) knows them.

use memchr::memmem;

use crate::trust::begins_sealed;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A dump, or a database itself.
    Dump(&'static str),
    /// Something that may hold a dump, and cannot be looked into.
    Opaque(&'static str),
}

const POSTGRESQL: &str = "PostgreSQL, custom or directory format";
const POSTGRESQL_TAR: &str = "PostgreSQL, tar format";

/// How files begin.
const BEGINNINGS: &[(&[u8], Kind)] = &[
    (b"PGDMP", Kind::Dump(POSTGRESQL)),
    (b"SQLite format 3\0", Kind::Dump("SQLite, the database itself")),
    (b"\x1f\x8b", Kind::Opaque("gzip")),
    (b"\x1f\x9d", Kind::Opaque("compress")),
    (b"\x28\xb5\x2f\xfd", Kind::Opaque("zstd")),
    (b"\xfd7zXZ\0", Kind::Opaque("xz")),
    (b"\x5d\0\0", Kind::Opaque("lzma")),
    (b"LZIP", Kind::Opaque("lzip")),
    (b"BZh", Kind::Opaque("bzip2")),
    (b"\x04\x22\x4d\x18", Kind::Opaque("lz4")),
    (b"PK\x03\x04", Kind::Opaque("zip")),
    (b"PK\x05\x06", Kind::Opaque("zip")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Opaque("7z")),
    (b"Rar!\x1a\x07", Kind::Opaque("rar")),
    (b"0707", Kind::Opaque("cpio")),
    (b"!<arch>\n", Kind::Opaque("ar")),
    (b"hsqs", Kind::Opaque("squashfs")),
    (b"QFI\xfb", Kind::Opaque("qcow2")),
    (b"LUKS\xba\xbe", Kind::Opaque("LUKS")),
    (b"Salted__", Kind::Opaque("openssl enc")),
    (b"age-encryption.org/v1\n", Kind::Opaque("age")),
];

/// How a line begins, in a file of text.
const LINES: &[(&[u8], Kind)] = &[
    (b"-- PostgreSQL database dump", Kind::Dump("PostgreSQL, plain")),
    (b"-- PostgreSQL database cluster dump", Kind::Dump("PostgreSQL, plain, the cluster")),
    (b"-- MySQL dump", Kind::Dump("MySQL, plain")),
    (b"-- MariaDB dump", Kind::Dump("MySQL, plain")),
    (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;", Kind::Dump("SQLite, plain")),
    (b"PRAGMA foreign_keys=OFF;\r\nBEGIN TRANSACTION;", Kind::Dump("SQLite, plain")),
    (b"-----BEGIN PGP MESSAGE-----", Kind::Opaque("OpenPGP")),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Kind::Opaque("age")),
    (b"-----BEGIN PKCS7-----", Kind::Opaque("CMS")),
    (b"-----BEGIN CMS-----", Kind::Opaque("CMS")),
];

/// Where a tar archive says that it is one, in its first header (POSIX ustar).
const USTAR: usize = 257;

/// What the beginning of a file says. A dump counts before anything else that is in it.
pub(super) fn kind_of(head: &[u8]) -> Option<Kind> {
    if head.get(USTAR..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        // What pg_dump writes has its table of contents first.
        let dump = head.starts_with(b"toc.dat\0");
        return Some(if dump { Kind::Dump(POSTGRESQL_TAR) } else { Kind::Opaque("tar") });
    }
    let skippable = head.get(1..4) == Some(b"\x2a\x4d\x18") && head.first().is_some_and(|byte| byte >> 4 == 5);
    if skippable {
        return Some(Kind::Opaque("zstd or lz4"));
    }
    let beginning = BEGINNINGS.iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, kind)| *kind);
    beginning.or_else(|| line(head)).or_else(|| begins_sealed(head).then_some(Kind::Opaque("OpenPGP")))
}

/// What a line of the text says. In UTF-16, as some shells write what a program prints, every second byte is 0.
fn line(head: &[u8]) -> Option<Kind> {
    let narrow: Vec<u8>;
    let text = if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        narrow = head[2..].iter().copied().filter(|byte| *byte != 0).collect();
        &narrow
    } else {
        head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)
    };
    let at_line_start = |mark: &[u8]| {
        memmem::find_iter(text, mark)
            .any(|at| at == 0 || text.get(at - 1).is_some_and(|byte| matches!(byte, b'\n' | b'\r')))
    };
    let found = |opaque: bool| {
        let of_kind = LINES.iter().filter(|(_, kind)| matches!(kind, Kind::Opaque(_)) == opaque);
        of_kind.into_iter().find(|(mark, _)| at_line_start(mark)).map(|(_, kind)| *kind)
    };
    found(false).or_else(|| found(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_dump_is_none() {
        for text in
            ["", "x", "SQLite format 3", "we write -- PostgreSQL database dump here", "PGDUMP", "\u{c3}\u{a9}t\u{e9}"]
        {
            assert_eq!(kind_of(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(kind_of(&[0; 4096]), None);
    }

    #[test]
    fn a_dump_is_known_behind_other_lines_and_in_other_encodings() {
        let dump = Some(Kind::Dump("PostgreSQL, plain"));
        let text = "\\restrict abc\n--\n-- PostgreSQL database dump\n--\n";
        assert_eq!(kind_of(text.as_bytes()), dump);
        assert_eq!(kind_of(text.replace('\n', "\r\n").as_bytes()), dump);
        assert_eq!(kind_of(format!("\u{feff}{text}").as_bytes()), dump);
        assert_eq!(kind_of(b"\xef\xbb\xbf-- PostgreSQL database dump"), dump);
        for (mark, order) in [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
        {
            let wide: Vec<u8> = mark.into_iter().chain(text.encode_utf16().flat_map(order)).collect();
            assert_eq!(kind_of(&wide), dump);
        }
        let both = format!("-----BEGIN PGP MESSAGE-----\n{text}");
        assert_eq!(kind_of(both.as_bytes()), dump, "a dump counts before what may hold one");
    }
}
