//! The framing of OpenPGP packets, by hand: where each begins and ends, and of which type it is. What a packet holds is
//! read by sequoia.

use sequoia_openpgp::packet::Tag;

/// The type of the packet at `at` (RFC 9580, section 4.2).
pub(super) fn tag_at(bytes: &[u8], at: usize) -> Tag {
    let octet = bytes.get(at).copied().unwrap_or(0);
    Tag::from(if octet & 0x40 == 0 { octet >> 2 & 0x0f } else { octet & 0x3f })
}

/// Where the packet at `at` ends.
pub(super) fn packet_end(bytes: &[u8], at: usize) -> Result<usize, String> {
    packet_body(bytes, at).map(|(_, end)| end)
}

/// Where the content of the packet at `at` begins and ends (RFC 9580, section 4.2). Lengths that only data packets may
/// have are refused.
pub(super) fn packet_body(bytes: &[u8], at: usize) -> Result<(usize, usize), String> {
    let byte = |i: usize| bytes.get(at + i).copied().map(usize::from).ok_or("it ends inside a packet's header");
    let number = |from: usize, width: usize| (from..from + width).try_fold(0, |n, i| Ok::<_, &str>(n << 8 | byte(i)?));
    let tag = byte(0)?;
    if tag & 0x80 == 0 {
        return Err(format!("{tag:#04x} is not the beginning of a packet"));
    }
    let (header, length) = if tag & 0x40 == 0 {
        match tag & 3 {
            0 => (2, number(1, 1)?),
            1 => (3, number(1, 2)?),
            2 => (5, number(1, 4)?),
            _ => return Err("a packet of indeterminate length".to_owned()),
        }
    } else {
        match byte(1)? {
            short @ 0..=191 => (2, short),
            first @ 192..=223 => (3, ((first - 192) << 8) + byte(2)? + 192),
            255 => (6, number(2, 4)?),
            _ => return Err("a packet of partial lengths".to_owned()),
        }
    };
    let end = at.checked_add(header).and_then(|start| start.checked_add(length)).filter(|end| *end <= bytes.len());
    end.map(|end| (at + header, end))
        .ok_or_else(|| format!("a packet of {length} bytes, of which {} are there", bytes.len() - at - header))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of a header and `length` bytes, with one byte after it.
    fn end(header: &[u8], length: usize) -> Result<usize, String> {
        let mut bytes = vec![0xff; 3];
        bytes.extend(header);
        bytes.resize(3 + header.len() + length, 0);
        let whole = packet_end(&bytes, 3);
        if length > 0 && whole.is_ok() {
            let error = packet_end(&bytes[..bytes.len() - 1], 3).expect_err("it is cut off");
            assert_eq!(error, format!("a packet of {length} bytes, of which {} are there", length - 1));
        }
        bytes.push(0x99);
        assert_eq!(packet_end(&bytes, 3), whole, "what follows is another packet");
        whole.map(|end| end - 3)
    }

    /// Every form of a length, at its edges (RFC 9580, sections 4.2.1 and 4.2.2).
    #[test]
    fn packets_end_where_their_lengths_say() {
        let table: [(&[u8], usize); 12] = [
            (&[0x98, 0], 0),
            (&[0x98, 255], 255),
            (&[0x99, 1, 2], 258),
            (&[0x9a, 0, 1, 0, 3], 65_539),
            (&[0xc6, 0], 0),
            (&[0xc6, 191], 191),
            (&[0xc6, 192, 0], 192),
            (&[0xc6, 193, 5], 453),
            (&[0xc6, 223, 255], 8_383),
            (&[0xc6, 255, 0, 0, 0, 7], 7),
            (&[0xc6, 255, 0, 1, 2, 3], 66_051),
            (&[0x80, 1], 1),
        ];
        for (header, length) in table {
            assert_eq!(end(header, length), Ok(header.len() + length), "{header:?}");
            for cut in 1..header.len() {
                assert!(packet_end(&header[..cut], 0).expect_err("cut").contains("inside a packet's header"));
            }
        }
        for (header, reason) in [
            ([0x9b, 0], "indeterminate"),
            ([0xc6, 224], "partial"),
            ([0xc6, 254], "partial"),
            ([0x7f, 0], "not the beginning"),
        ] {
            assert!(end(&header, 9).expect_err("refused").contains(reason), "{header:?}");
        }
    }

    #[test]
    fn tags_of_both_forms() {
        let table =
            [(0x95, Tag::SecretKey), (0x9d, Tag::SecretSubkey), (0xc5, Tag::SecretKey), (0xc7, Tag::SecretSubkey)];
        for (octet, tag) in table.into_iter().chain([(0x99, Tag::PublicKey), (0xc6, Tag::PublicKey)]) {
            assert_eq!(tag_at(&[0, octet], 1), tag, "{octet:#x}");
        }
    }
}
