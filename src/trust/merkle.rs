//! The Merkle tree of RFC 6962 §2.1 over a list of entries: its root at every size.

use sha2::{Digest, Sha256};

/// A node of the tree.
pub type Node = [u8; 32];

/// The root over the entries; that of none is the digest of nothing.
pub fn root<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Node {
    let mut tree = Tree::default();
    entries.into_iter().for_each(|entry| tree.add(entry));
    tree.root()
}

/// A tree that grows: the roots of its complete parts, largest first, each with the number of its entries.
#[derive(Clone, Debug, Default)]
struct Tree(Vec<(u64, Node)>);

impl Tree {
    fn add(&mut self, entry: &[u8]) {
        let mut part = (1, leaf(entry));
        // Two complete parts of one size are a complete part of twice that size.
        while let Some((size, left)) = self.0.pop_if(|(size, _)| *size == part.0) {
            part = (size * 2, inner(&left, &part.1));
        }
        self.0.push(part);
    }

    fn root(&self) -> Node {
        let parts = self.0.iter().rev().map(|(_, node)| *node);
        parts.reduce(|right, left| inner(&left, &right)).unwrap_or_else(|| Sha256::digest([]).into())
    }
}

fn leaf(entry: &[u8]) -> Node {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

fn inner(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition itself: split at the largest power of two below the size.
    fn defined(entries: &[&[u8]]) -> Node {
        match entries {
            [] => Sha256::digest([]).into(),
            [entry] => leaf(entry),
            entries => {
                let split = entries.len().next_power_of_two() / 2;
                inner(&defined(&entries[..split]), &defined(&entries[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let entries: Vec<Vec<u8>> = (0..70_u8).map(|n| vec![n; usize::from(n) % 5]).collect();
        let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        for size in 0..=entries.len() {
            assert_eq!(root(entries[..size].iter().copied()), defined(&entries[..size]), "{size}");
        }
    }

    /// The vectors that implementations of RFC 6962 share: its eight entries, at sizes 0, 1, 2 and 8.
    #[test]
    fn roots_of_known_entries() {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let hex = |node: Node| node.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for (size, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex(root(entries[..size].iter().copied())), expected, "{size}");
        }
    }
}
