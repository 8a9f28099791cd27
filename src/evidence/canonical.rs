//! The one byte form of a value, and its digest.
//!
//! The form is RFC 8785. Members are put in order within the one buffer that everything is written to, for evidence
//! has tens of thousands of objects; how a number looks that is not a small integer is left to
//! `serde_json_canonicalizer`, and a test holds both against each other.

use std::io::{self, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use sha2::{Digest, Sha256};

/// The canonical JSON (RFC 8785) of a value of ours, with a final newline.
pub fn canonical_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut ordered = Ordered::default();
    let mut serializer = Serializer::with_formatter(io::sink(), InOrder(&mut ordered));
    value.serialize(&mut serializer).expect("invariant: our values have text keys, none twice, and finite numbers");
    ordered.out.push(b'\n');
    ordered.out
}

/// The largest magnitude up to which every integer is a double, and is written as it is by RFC 8785 §3.2.2.3.
const EXACT: u64 = 1 << 53;

/// What was written so far, and the objects that are open.
#[derive(Default)]
struct Ordered {
    out: Vec<u8>,
    /// For each open object, where its first member begins in `out` and in `members`.
    open: Vec<(usize, usize)>,
    members: Vec<Member>,
    /// Room to put an object's members in order.
    ordered: Vec<u8>,
}

/// A member of an object: where its key and the whole of it lie in the buffer. Commas are not part of it.
struct Member {
    key: Range<usize>,
    end: usize,
}

impl Ordered {
    /// Puts the members of the innermost object in the order of their keys' UTF-16 code units (RFC 8785 §3.2.3).
    fn close_object(&mut self) -> io::Result<()> {
        let (start, first) = self.open.pop().expect("invariant: an object that ends has begun");
        // Without the quotes, for these do not compare as the end of a text does.
        let key = |member: &Member| &self.out[member.key.start + 1..member.key.end - 1];
        let members = &self.members[first..];
        let in_order = members.iter().all(|member| plain(key(member)))
            && members.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
        if !in_order {
            let mut order: Vec<&Member> = members.iter().collect();
            if order.iter().all(|member| plain(key(member))) {
                order.sort_by_key(|member| key(member));
                once(order.windows(2).all(|pair| key(pair[0]) < key(pair[1])))?;
            } else {
                let mut keyed: Vec<(Vec<u16>, &Member)> = Vec::with_capacity(order.len());
                for member in order {
                    let text: String = serde_json::from_slice(&self.out[member.key.clone()])?;
                    keyed.push((text.encode_utf16().collect(), member));
                }
                keyed.sort_by(|a, b| a.0.cmp(&b.0));
                once(keyed.windows(2).all(|pair| pair[0].0 < pair[1].0))?;
                order = keyed.into_iter().map(|(_, member)| member).collect();
            }
            self.ordered.clear();
            for (i, member) in order.into_iter().enumerate() {
                if i > 0 {
                    self.ordered.push(b',');
                }
                self.ordered.extend_from_slice(&self.out[member.key.start..member.end]);
            }
            self.out.truncate(start);
            self.out.extend_from_slice(&self.ordered);
        }
        self.members.truncate(first);
        Ok(())
    }
}

/// Whether a key is written once in its object.
fn once(holds: bool) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "an object has one key twice")) }
}

/// Whether the bytes of a key compare as its text does in UTF-16: ASCII without an escape.
fn plain(key: &[u8]) -> bool {
    key.iter().all(|byte| byte.is_ascii() && *byte != b'\\')
}

/// Writes to the buffer, whatever the serializer's own writer is.
struct InOrder<'a>(&'a mut Ordered);

impl InOrder<'_> {
    /// A number that may not look as it is given: as the library writes it.
    fn number<T: Serialize>(&mut self, value: T) -> io::Result<()> {
        self.0.out.extend(serde_json_canonicalizer::to_vec(&value)?);
        Ok(())
    }
}

impl Formatter for InOrder<'_> {
    fn write_null<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.write_all(b"null")
    }

    fn write_bool<W: ?Sized + Write>(&mut self, _: &mut W, value: bool) -> io::Result<()> {
        CompactFormatter.write_bool(&mut self.0.out, value)
    }

    fn write_i8<W: ?Sized + Write>(&mut self, writer: &mut W, value: i8) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }

    fn write_i16<W: ?Sized + Write>(&mut self, writer: &mut W, value: i16) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }

    fn write_i32<W: ?Sized + Write>(&mut self, writer: &mut W, value: i32) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }

    fn write_i64<W: ?Sized + Write>(&mut self, _: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() > EXACT {
            self.number(value)
        } else {
            CompactFormatter.write_i64(&mut self.0.out, value)
        }
    }

    fn write_i128<W: ?Sized + Write>(&mut self, _: &mut W, value: i128) -> io::Result<()> {
        self.number(value)
    }

    fn write_u8<W: ?Sized + Write>(&mut self, writer: &mut W, value: u8) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }

    fn write_u16<W: ?Sized + Write>(&mut self, writer: &mut W, value: u16) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }

    fn write_u32<W: ?Sized + Write>(&mut self, writer: &mut W, value: u32) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }

    fn write_u64<W: ?Sized + Write>(&mut self, _: &mut W, value: u64) -> io::Result<()> {
        if value > EXACT { self.number(value) } else { CompactFormatter.write_u64(&mut self.0.out, value) }
    }

    fn write_u128<W: ?Sized + Write>(&mut self, _: &mut W, value: u128) -> io::Result<()> {
        self.number(value)
    }

    fn write_f32<W: ?Sized + Write>(&mut self, _: &mut W, value: f32) -> io::Result<()> {
        self.number(value)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, _: &mut W, value: f64) -> io::Result<()> {
        self.number(value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b'"');
        Ok(())
    }

    fn end_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b'"');
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, _: &mut W, fragment: &str) -> io::Result<()> {
        self.0.out.extend_from_slice(fragment.as_bytes());
        Ok(())
    }

    // The escapes of serde_json are those of RFC 8785 §3.2.2.2: the short ones, and \u00xx in lower case.
    fn write_char_escape<W: ?Sized + Write>(&mut self, _: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(&mut self.0.out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b'[');
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b']');
        Ok(())
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        if !first {
            self.0.out.push(b',');
        }
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b'{');
        self.0.open.push((self.0.out.len(), self.0.members.len()));
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.close_object()?;
        self.0.out.push(b'}');
        Ok(())
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        if !first {
            self.0.out.push(b',');
        }
        let start = self.0.out.len();
        self.0.members.push(Member { key: start..start, end: start });
        Ok(())
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.0.out.len();
        self.0.members.last_mut().expect("invariant: a key that ends has begun").key.end = end;
        Ok(())
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.out.push(b':');
        Ok(())
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.0.out.len();
        // Objects inside the value are closed, so that the last member is the one that it belongs to.
        self.0.members.last_mut().expect("invariant: a value that ends has a key").end = end;
        Ok(())
    }

    fn write_raw_fragment<W: ?Sized + Write>(&mut self, _: &mut W, _: &str) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "raw JSON has no canonical form here"))
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex of bytes.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// A SHA-256 in lower-case hex; parsing is validating.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest256(String);

impl Digest256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes))
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if lower { Ok(Self(text)) } else { Err(format!("{text:?} is not 64 lower-case hex digits")) }
    }
}

impl From<Digest256> for String {
    fn from(digest: Digest256) -> Self {
        digest.0
    }
}

impl std::fmt::Display for Digest256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// Any JSON value without numbers that JSON cannot hold; keys and texts of any characters.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-20_i64..20).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let key = prop_oneof![
                any::<String>(),
                "[a-c]{0,2}",
                "[ !\"a]{0,3}",
                "[\u{e000}-\u{10ffff}]{1,2}",
                "[\"\\\\\n\u{1}]{1,2}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        /// The bytes are those of the library, which was checked against the RFC's own vectors.
        #[test]
        fn the_form_is_that_of_the_library(value in value()) {
            let mut expected = serde_json_canonicalizer::to_vec(&value).expect("a JSON value");
            expected.push(b'\n');
            prop_assert_eq!(String::from_utf8(canonical_json(&value)), String::from_utf8(expected));
        }
    }

    /// Every width of a number is written as the library writes it.
    #[test]
    fn numbers_of_every_width_are_those_of_the_library() {
        let small = (-1_i8, -2_i16, -3_i32, 4_u8, 5_u16, 6_u32, 7_i128, 8_u128, 1.5_f32);
        let large = (EXACT, EXACT + 1, -9_007_199_254_740_993_i64, u64::MAX);
        let mut expected = serde_json_canonicalizer::to_vec(&(small, large)).expect("numbers");
        expected.push(b'\n');
        assert_eq!(String::from_utf8(canonical_json(&(small, large))), String::from_utf8(expected));
    }

    /// A key that is given twice has no canonical form: in order, out of order, and where keys are not plain.
    #[test]
    fn a_key_that_is_given_twice_is_refused() {
        struct Pairs(&'static [&'static str]);
        impl Serialize for Pairs {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|key| (key, 1)))
            }
        }
        let written = |keys| {
            let mut ordered = Ordered::default();
            let mut serializer = Serializer::with_formatter(io::sink(), InOrder(&mut ordered));
            Pairs(keys).serialize(&mut serializer).is_ok()
        };
        // A quotation mark comes before a letter, though its escape does not.
        assert_eq!(canonical_json(&Pairs(&["Z", "\""])), b"{\"\\\"\":1,\"Z\":1}\n");
        assert!(written(&["a", "b"]) && written(&["b", "a"]) && written(&["é", "a"]));
        for keys in [&["a", "a"][..], &["b", "a", "a"], &["b", "a", "b"], &["é", "a", "é"], &["\\", "\\"]] {
            assert!(!written(keys), "{keys:?}");
        }
    }

    /// Members that are given out of order, as a struct's are, within others.
    #[test]
    fn members_of_structs_are_put_in_order() {
        #[derive(Serialize)]
        struct Outer {
            z: Inner,
            a: Vec<Inner>,
            m: u64,
        }
        #[derive(Clone, Serialize)]
        struct Inner {
            y: i64,
            #[serde(rename = "b\"")]
            b: &'static str,
        }
        let inner = Inner { y: -1, b: "x" };
        let outer = Outer { z: inner.clone(), a: vec![inner], m: 1 << 53 };
        let expected = "{\"a\":[{\"b\\\"\":\"x\",\"y\":-1}],\"m\":9007199254740992,\"z\":{\"b\\\"\":\"x\",\"y\":-1}}\n";
        assert_eq!(String::from_utf8(canonical_json(&outer)).as_deref(), Ok(expected));
    }
}
