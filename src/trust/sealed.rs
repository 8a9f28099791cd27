//! Whether bytes begin as an OpenPGP message does, whose content cannot be seen from outside. Keys and detached signatures are none.

use sequoia_openpgp::Packet;
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};

/// Whether the first packet of `head`, the beginning of a binary file, is that of an encrypted, compressed, signed or packed
/// message (RFC 9580, section 10.3). One that is not understood is none.
pub fn begins_sealed(head: &[u8]) -> bool {
    // Every packet has its highest bit set: nearly every file is told from one by its first byte.
    if head.first().is_none_or(|byte| byte & 0x80 == 0) {
        return false;
    }
    match PacketParser::from_bytes(head) {
        Ok(PacketParserResult::Some(parser)) => matches!(
            parser.packet,
            Packet::PKESK(_)
                | Packet::SKESK(_)
                | Packet::SEIP(_)
                | Packet::CompressedData(_)
                | Packet::OnePassSig(_)
                | Packet::Literal(_)
        ),
        Ok(PacketParserResult::EOF(_)) | Err(_) => false,
    }
}
