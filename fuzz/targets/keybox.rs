//! Keyboxes. One that is read is read whole: every blob is counted, and the same keyblocks one after the other
//! are the same certificates.

use cutgate::trust::{self, RingForm};

pub fn run(data: &[u8]) {
    check(data);
    if let Some(repaired) = repaired(data) {
        check(&repaired);
    }
}

fn check(data: &[u8]) {
    let keybox = match trust::read_keybox(data) {
        Ok(keybox) => keybox,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            if trust::form_of(data) == Some(RingForm::Keybox) {
                assert!(trust::from_bytes(data).is_err());
            }
            return;
        }
    };
    assert_eq!(trust::form_of(data), Some(RingForm::Keybox));
    let blobs = blobs(data).expect("what was read has a frame");
    let counted = keybox.keyblocks.len() + keybox.deleted + keybox.x509 + keybox.ephemeral;
    assert_eq!(counted, blobs.len(), "every blob is something");
    let mut before = 0;
    for (offset, block) in &keybox.keyblocks {
        assert!(*offset > before && !block.is_empty(), "keyblocks follow each other");
        assert_eq!(data.get(*offset..offset + block.len()), Some(*block));
        before = *offset;
    }
    let Ok(certs) = trust::from_keybox(&keybox) else { return };
    assert_eq!(trust::from_bytes(data).as_ref(), Ok(&certs));
    let prints: Vec<_> = certs.iter().map(trust::Cert::fingerprint).collect();
    assert!(prints.is_sorted_by(|a, b| a < b), "sorted, each once");
    let stream: Vec<u8> = keybox.keyblocks.iter().flat_map(|(_, block)| block.iter().copied()).collect();
    assert_eq!(trust::from_binary(&stream), Ok(certs), "as packets it is the same keyring");
}

/// Where each blob after the header lies.
fn blobs(data: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut blobs = Vec::new();
    let mut at = 32;
    while at < data.len() {
        let length = u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?) as usize;
        let end = at.checked_add(length).filter(|end| length >= 36 && *end <= data.len())?;
        blobs.push((at, end));
        at = end;
    }
    Some(blobs)
}

/// The same file with checksums that fit, for no fuzzer finds a digest by chance.
fn repaired(data: &[u8]) -> Option<Vec<u8>> {
    let blobs = blobs(data)?;
    let mut bytes = data.to_vec();
    for (start, end) in blobs {
        let mut body = bytes[start..end - 20].to_vec();
        // Deleting a key changes the type alone, after the checksum was made.
        body[4] = if body[4] == 0 { 2 } else { body[4] };
        bytes[end - 20..end].copy_from_slice(&openssl::sha::sha1(&body));
    }
    Some(bytes)
}
