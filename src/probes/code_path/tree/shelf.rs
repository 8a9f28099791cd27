//! Memory for the texts of a large tree: one behind the other in few pieces, which the system is asked to make of huge pages.
//! A hundred megabytes in small pages take it longer to give out and to clear than to read the files.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use memmap2::{Advice, MmapMut};

/// What one piece holds.
const PIECE: usize = 16 << 20;

/// A text, or where it stops being UTF-8.
pub(super) type Kept = Result<ByteString, usize>;

/// Keeps texts under the numbers that they are given.
#[derive(Default)]
pub(super) struct Shelf {
    piece: Option<MmapMut>,
    filled: usize,
    places: Vec<(usize, Range<usize>)>,
    kept: Vec<(usize, Kept)>,
}

impl Shelf {
    /// Puts a text on the shelf; a text of a small tree is kept by itself.
    pub fn put(&mut self, number: usize, bytes: &[u8], large: bool) {
        if large
            && self.has_room(bytes.len())
            && let Some(piece) = &mut self.piece
        {
            let place = self.filled..self.filled + bytes.len();
            piece[place.clone()].copy_from_slice(bytes);
            self.filled = place.end;
            self.places.push((number, place));
        } else {
            self.kept.push((number, text(Bytes::copy_from_slice(bytes))));
        }
    }

    /// Whether there is room for so many bytes, in a new piece if need be. There is none for what would fill a piece nearly alone,
    /// nor where the system gives none.
    fn has_room(&mut self, bytes: usize) -> bool {
        if bytes > PIECE / 2 {
            return false;
        }
        let fits = self.piece.as_ref().is_some_and(|piece| piece.len() - self.filled >= bytes);
        if !fits {
            self.close();
            self.piece = MmapMut::map_anon(PIECE).ok();
            // Advice: a system without huge pages gives small ones.
            let _ = self.piece.as_ref().map(|piece| piece.advise(Advice::HugePage));
        }
        self.piece.is_some()
    }

    /// Makes texts of what was put in the piece.
    fn close(&mut self) {
        if let Some(piece) = self.piece.take() {
            let whole = Bytes::from_owner(piece);
            self.kept.extend(self.places.drain(..).map(|(number, place)| (number, text(whole.slice(place)))));
        }
        self.filled = 0;
    }

    /// All texts with their numbers, in no order.
    pub fn into_texts(mut self) -> Vec<(usize, Kept)> {
        self.close();
        self.kept
    }
}

fn text(bytes: Bytes) -> Kept {
    let mark = if bytes.starts_with("\u{feff}".as_bytes()) { '\u{feff}'.len_utf8() } else { 0 };
    let valid = |bytes: &Bytes| std::str::from_utf8(bytes).map(|_| ()).map_err(|error| error.valid_up_to());
    valid(&bytes)?;
    Ok(ByteString::try_from(bytes.slice(mark..)).expect("invariant: it was looked at, and a mark is a character"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_under_its_number() {
        let long = "x".repeat(PIECE / 2 + 1);
        let half = "y".repeat(PIECE / 2);
        let texts = ["a", &half, "é", &long, &half, "", "\u{feff}b", &half];
        for large in [true, false] {
            let mut shelf = Shelf::default();
            for (number, text) in texts.iter().enumerate() {
                shelf.put(number, text.as_bytes(), large);
            }
            shelf.put(texts.len(), b"ab\xff", large);
            let mut kept = shelf.into_texts();
            kept.sort_by_key(|(number, _)| *number);
            let back: Vec<Option<&str>> = kept.iter().map(|(_, text)| text.as_deref().ok()).collect();
            let wanted: Vec<Option<&str>> =
                texts.iter().map(|text| Some(text.trim_start_matches('\u{feff}'))).chain([None]).collect();
            assert!(back == wanted, "large: {large}");
            assert_eq!(kept.last().map(|(_, text)| text.clone()), Some(Err(2)));
        }
    }
}
