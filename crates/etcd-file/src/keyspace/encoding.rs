//! How a value is encoded, told by its first bytes; nothing else of it is looked at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How values are stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "encoding")]
pub enum Encoding {
    /// Kubernetes' protobuf (`k8s` and a zero byte): built-in resources.
    Protobuf,
    /// JSON, told by its first brace or bracket: custom resources.
    Json,
    /// CBOR with its own tag: custom resources under `CBORServingAndStorage`.
    Cbor,
    /// Encrypted by kube-apiserver: `k8s:enc:<provider>:<version>:<key>:`.
    Encrypted {
        /// `aescbc`, `aesgcm`, `secretbox` or `kms`.
        provider: String,
        /// `v1`, and `v2` of `kms`.
        version: String,
        /// The name of the key, or of the KMS plugin; never the key.
        key: String,
    },
    /// Anything else, such as the plain text of `compact_rev_key`.
    Other,
    /// No bytes at all.
    Empty,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protobuf => f.write_str("protobuf"),
            Self::Json => f.write_str("JSON"),
            Self::Cbor => f.write_str("CBOR"),
            Self::Encrypted { provider, version, key } => write!(f, "{provider} {version}, key {key}"),
            Self::Other => f.write_str("other"),
            Self::Empty => f.write_str("empty"),
        }
    }
}

/// The encodings that were seen; a value keeps the number of its own.
#[derive(Debug, Default)]
pub(crate) struct Encodings {
    /// `provider:version:key` each.
    encrypted: Vec<Vec<u8>>,
}

const PLAIN: [Encoding; 5] = [Encoding::Empty, Encoding::Protobuf, Encoding::Json, Encoding::Cbor, Encoding::Other];
const OTHER: u16 = 4;

/// Beyond so many keys in one file (a cluster has a handful) values count as [`Encoding::Other`].
const MOST_KEYS: usize = 1000;

impl Encodings {
    pub(crate) fn number_of(&mut self, value: &[u8]) -> u16 {
        match value {
            [] => 0,
            [b'k', b'8', b's', 0, ..] => 1,
            [b'k', b'8', b's', b':', b'e', b'n', b'c', b':', rest @ ..] => header(rest).map_or(OTHER, |header| self.encrypted(header)),
            [0xD9, 0xD9, 0xF7, ..] => 3,
            _ if matches!(value.trim_ascii_start().first(), Some(b'{' | b'[')) => 2,
            _ => OTHER,
        }
    }

    pub(crate) fn encoding(&self, number: u16) -> Encoding {
        let number = usize::from(number);
        if let Some(plain) = PLAIN.get(number) {
            return plain.clone();
        }
        let header = self.encrypted.get(number - PLAIN.len()).map(|header| String::from_utf8_lossy(header).into_owned()).unwrap_or_default();
        let mut parts = header.splitn(3, ':').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Encoding::Encrypted { provider: part(), version: part(), key: part() }
    }

    fn encrypted(&mut self, header: &[u8]) -> u16 {
        match self.encrypted.iter().position(|known| known == header) {
            Some(index) => number(index),
            None if self.encrypted.len() < MOST_KEYS => {
                self.encrypted.push(header.to_vec());
                number(self.encrypted.len() - 1)
            }
            None => OTHER,
        }
    }
}

fn number(index: usize) -> u16 {
    u16::try_from(index + PLAIN.len()).unwrap_or(OTHER)
}

/// `provider:version:key` of an encrypted value, behind `k8s:enc:`.
///
/// Only what kube-apiserver writes: anything else could be the contents of an object (`transformer.go` and `encryptionconfig/config.go` in
/// `apiserver/pkg/server/options/encryptionconfig`, v0.37.2).
fn header(rest: &[u8]) -> Option<&[u8]> {
    // A name has no colon; 253 bytes are the most that Kubernetes allows for one.
    let provider =
        ["aescbc:v1:", "aesgcm:v1:", "secretbox:v1:", "kms:v1:", "kms:v2:"].iter().find(|provider| rest.starts_with(provider.as_bytes()))?;
    let name = rest.get(provider.len()..)?.split(|byte| *byte == b':').next()?;
    let is_name = !name.is_empty() && name.len() <= 253 && name.iter().all(u8::is_ascii_graphic);
    // The colon behind it has to be there too.
    rest.get(..provider.len() + name.len()).filter(|header| is_name && rest.len() > header.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(value: &[u8]) -> Encoding {
        let mut encodings = Encodings::default();
        let number = encodings.number_of(value);
        encodings.encoding(number)
    }

    #[test]
    fn each_encoding_is_told_by_its_first_bytes() {
        assert_eq!(encoding(b"k8s\0\n\x0c"), Encoding::Protobuf);
        assert_eq!(encoding(b" \n{\"kind\":\"Widget\"}"), Encoding::Json);
        assert_eq!(encoding(b"\xd9\xd9\xf7\xa0"), Encoding::Cbor);
        assert_eq!(encoding(b"1234"), Encoding::Other);
        assert_eq!(encoding(b""), Encoding::Empty);
        let encrypted = |provider: &str, version: &str, key: &str| Encoding::Encrypted {
            provider: provider.to_owned(),
            version: version.to_owned(),
            key: key.to_owned(),
        };
        assert_eq!(encoding(b"k8s:enc:aescbc:v1:key1:\x01\x02"), encrypted("aescbc", "v1", "key1"));
        assert_eq!(encoding(b"k8s:enc:kms:v2:vault:\n\x10"), encrypted("kms", "v2", "vault"));
    }

    #[test]
    fn what_only_looks_encrypted_shows_nothing_of_itself() {
        for value in [&b"k8s:enc:password:v1:key:"[..], b"k8s:enc:aescbc:v1:secret", b"k8s:enc:aescbc:v1::x", b"k8s:enc:aescbc:v1:a b:x", b"k8s:enc:"]
        {
            assert_eq!(encoding(value), Encoding::Other);
        }
        assert_eq!(encoding(format!("k8s:enc:aescbc:v1:{}:", "x".repeat(254)).as_bytes()), Encoding::Other);
    }

    #[test]
    fn keys_are_told_apart_and_bounded() {
        let mut encodings = Encodings::default();
        let value = |key: usize| format!("k8s:enc:aesgcm:v1:key{key}:").into_bytes();
        let numbers: Vec<u16> = (0..MOST_KEYS + 5).map(|key| encodings.number_of(&value(key))).collect();
        assert!(numbers[..MOST_KEYS].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(numbers[MOST_KEYS..].iter().all(|number| *number == OTHER));
        assert_eq!(encodings.number_of(&value(7)), numbers[7]);
        assert_eq!(encodings.encoding(numbers[7]).to_string(), "aesgcm v1, key key7");
    }
}
