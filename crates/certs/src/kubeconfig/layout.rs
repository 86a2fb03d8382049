//! How a kubeconfig is written, as far as a tool that writes it anew would lose it.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::options;

/// How a kubeconfig is written. Keys of its maps only, no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The keys at the top, in the order of the file.
    pub top_level_keys: Vec<String>,
    /// The keys of each user, in the order of the file.
    pub user_fields: BTreeMap<String, Vec<String>>,
    /// Whether `preferences` has anything in it.
    pub has_preferences: bool,
    /// Whether there are comments.
    pub has_comments: bool,
    /// Keys that client-go does not know, by their paths: `users[admin].x-owner`.
    pub unknown_keys: Vec<String>,
}

const TOP: &[&str] = &["apiVersion", "clusters", "contexts", "current-context", "extensions", "kind", "preferences", "users"];
const CLUSTER: &[&str] = &[
    "certificate-authority",
    "certificate-authority-data",
    "disable-compression",
    "extensions",
    "insecure-skip-tls-verify",
    "proxy-url",
    "server",
    "tls-server-name",
];
const USER: &[&str] = &[
    "as",
    "as-groups",
    "as-uid",
    "as-user-extra",
    "auth-provider",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "exec",
    "extensions",
    "password",
    "token",
    "tokenFile",
    "username",
];
const CONTEXT: &[&str] = &["cluster", "extensions", "namespace", "user"];
/// What the lists hold.
const LISTS: [(&str, &str, &[&str]); 3] = [("clusters", "cluster", CLUSTER), ("users", "user", USER), ("contexts", "context", CONTEXT)];

impl Layout {
    /// Of what is no kubeconfig it is empty.
    ///
    /// Source of what client-go knows: `client-go/tools/clientcmd/api/v1/types.go@v0.37.2`.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let text = String::from_utf8_lossy(file);
        let keys: Option<Keys> = serde_saphyr::from_str_with_options(&text, options()).ok();
        let users: Option<Users> = serde_saphyr::from_str_with_options(&text, options()).ok();
        let value: Value = serde_saphyr::from_str_with_options(&text, options()).unwrap_or_default();
        let full = |value: &Value| value.as_object().is_some_and(|object| !object.is_empty());
        Self {
            unknown_keys: unknown_keys(&value),
            has_preferences: full(&value["preferences"]),
            has_comments: has_comments(&text),
            top_level_keys: keys.unwrap_or_default().0,
            user_fields: users.map(|users| users.users.into_iter().map(|user| (user.name, user.user.0)).collect()).unwrap_or_default(),
        }
    }
}

fn unknown_keys(file: &Value) -> Vec<String> {
    let unknown = |value: &Value, known: &[&str], path: &str| -> Vec<String> {
        let keys = value.as_object().into_iter().flat_map(|object| object.keys());
        keys.filter(|key| !known.contains(&key.as_str())).map(|key| format!("{path}{key}")).collect()
    };
    let mut found = unknown(file, TOP, "");
    for (list, inner, known) in LISTS {
        for entry in file[list].as_array().into_iter().flatten() {
            let path = format!("{list}[{}].", entry["name"].as_str().unwrap_or_default());
            found.extend(unknown(entry, &["name", inner], &path));
            found.extend(unknown(&entry[inner], known, &path));
        }
    }
    found
}

/// A `#` outside of quotes, at the beginning of a line or behind a space. JSON has none.
fn has_comments(text: &str) -> bool {
    text.lines().any(|line| {
        let mut quote = None;
        let mut before = ' ';
        for character in line.chars() {
            match (quote, character) {
                (None, '#') if before.is_whitespace() => return true,
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), close) if open == close => quote = None,
                _ => {}
            }
            before = character;
        }
        false
    })
}

#[derive(serde::Deserialize)]
struct Users {
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(serde::Deserialize)]
struct NamedUser {
    #[serde(default)]
    name: String,
    #[serde(default)]
    user: Keys,
}

/// The keys of a map, in the order of the file.
#[derive(Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_writer_would_lose_is_told_by_its_path() {
        let layout =
            Layout::of(b"kind: Config # mine\nmine: 1\npreferences: {colors: true}\nusers:\n- {name: a, user: {token: t, x-owner: ops}, note: n}\n");
        assert_eq!(layout.top_level_keys, ["kind", "mine", "preferences", "users"]);
        assert_eq!(layout.unknown_keys, ["mine", "users[a].note", "users[a].x-owner"]);
        assert_eq!(layout.user_fields["a"], ["token", "x-owner"]);
        assert!(layout.has_comments && layout.has_preferences);
        let plain = Layout::of(b"server: 'https://a#b'\npreferences: {}\n");
        assert!(!plain.has_comments && !plain.has_preferences);
        assert_eq!(Layout::of(b"[1"), Layout { has_comments: false, ..Layout::default() });
    }
}
