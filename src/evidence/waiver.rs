//! The waivers that lie beside a package, as they were read: every byte of them, so that each can be judged again anywhere.
//! Data only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What lay in the folder of waivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverFiles {
    /// Why the folder could not be listed, or not to its end; left out of the file where it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Everything in it by file name, waivers and signatures.
    pub files: BTreeMap<String, WaiverContent>,
    /// The certificates that signatures were compared with.
    pub keyring: WaiverKeyring,
}

/// The content of a file in the folder of waivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WaiverContent {
    /// Its exact bytes, which are UTF-8.
    Text(String),
    /// Why there is none.
    Unread(String),
}

/// The package's keyring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WaiverKeyring {
    /// Every certificate, armored, by fingerprint.
    Certificates(BTreeMap<String, String>),
    /// Why it could not be read.
    Unread(String),
}
