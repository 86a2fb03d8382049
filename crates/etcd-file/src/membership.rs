//! The members that a restored cluster begins with, and the ids that follow from them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};

use crate::error::Error;

/// A member's id, shown as `etcdctl` shows it: hexadecimal without leading zeros.
///
/// ```
/// use trimtab_etcd_file::restore::MemberId;
///
/// assert_eq!(MemberId(0x8e9e_05c5_2164_694d).to_string(), "8e9e05c52164694d");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster's id, shown as `etcdctl` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// A member of a cluster that is to be restored; always a voter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    id: MemberId,
    name: String,
    #[serde(rename = "peerURLs")]
    peer_urls: Vec<String>,
}

impl Member {
    /// Follows from its peer URLs and the cluster's token: the first 8 bytes, big-endian, of the SHA-1 over the sorted URLs and the token.
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.id
    }

    /// Its `--name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `--initial-advertise-peer-urls`, in ascending order.
    #[must_use]
    pub fn peer_urls(&self) -> &[String] {
        &self.peer_urls
    }
}

/// What `--initial-cluster` and `--initial-cluster-token` say: all members of the cluster, and its token.
///
/// Every member of one cluster has to be restored with the same of these, from the same file. Learners are not among them: as in etcdutl, a
/// restored cluster has only voters, and learners are added to it afterwards.
///
/// Upstream: `NewURLsMap` and `NewURLs` in `client/pkg/types`, `computeMemberId` and `genID` in `server/etcdserver/api/membership`, `VerifyBootstrap`
/// in `server/config/config.go`, the same in 3.4.23, 3.5.35, 3.6.16 and 3.7.3.
///
/// ```
/// use trimtab_etcd_file::restore::InitialCluster;
///
/// let cluster = InitialCluster::parse("m0=http://127.0.0.1:2380,m1=http://127.0.0.2:2380,m1=https://127.0.0.2:2381", "tok")?;
/// assert_eq!(cluster.member("m1")?.id().to_string(), "ccf74e9b01658f3");
/// assert_eq!(cluster.members().len(), 2);
/// assert!(InitialCluster::parse("m0=127.0.0.1:2380", "tok").is_err(), "a URL has a scheme");
/// # Ok::<(), trimtab_etcd_file::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct InitialCluster {
    token: String,
    id: ClusterId,
    /// By id, ascending.
    members: Vec<Member>,
}

/// As it is written on a command line, and in a plan.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    initial_cluster: String,
    initial_cluster_token: String,
}

impl InitialCluster {
    /// Names with their peer URLs. A name may come more than once, with other URLs each time.
    ///
    /// # Errors
    /// [`Error::InvalidCluster`] where there is no member, an empty token or name, or one with spaces around it or with `=` or `,` in it; a URL
    /// that is not `http://` or `https://` with host and port alone; a URL that two members, or one member twice, have.
    ///
    /// DIFFERENCE: upstream takes an empty token, host, and name, `unix` sockets, and URLs with a user, a query or a zone (`%`). No peer of another
    /// machine could be reached so.
    pub fn new<N: Into<String>, U: Into<String>>(token: &str, members: impl IntoIterator<Item = (N, U)>) -> Result<Self, Error> {
        let mut urls: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (name, url) in members {
            let (name, url) = (checked_name(name.into())?, checked_url(&url.into())?);
            if let Some(owner) = owners.insert(url.clone(), name.clone()) {
                return Err(invalid(format!("{url} stands there twice, for {owner} and for {name}: each member needs peer URLs of its own")));
            }
            urls.entry(name).or_default().push(url);
        }
        if token.is_empty() {
            return Err(invalid("the token is empty: give the cluster's --initial-cluster-token (etcd's own default is etcd-cluster)".to_owned()));
        }
        Self::of(token, urls)
    }

    /// Reads `--initial-cluster` as it is written: `m0=http://10.0.0.1:2380,m1=http://10.0.0.2:2380`.
    ///
    /// # Errors
    /// [`Error::InvalidCluster`], as [`InitialCluster::new`], and where a part has no `=`.
    pub fn parse(initial_cluster: &str, token: &str) -> Result<Self, Error> {
        let parts = initial_cluster.split(',').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| part.split_once('=').ok_or_else(|| invalid(format!("{part:?} is no member: write name=http://host:2380"))));
        Self::new(token, pairs.collect::<Result<Vec<_>, _>>()?)
    }

    fn of(token: &str, urls: BTreeMap<String, Vec<String>>) -> Result<Self, Error> {
        let mut members: Vec<Member> = urls.into_iter().map(|(name, peer_urls)| member(name, peer_urls, token)).collect();
        members.sort_by_key(|member| member.id);
        if members.is_empty() {
            return Err(invalid("it has no members: give --initial-cluster".to_owned()));
        }
        if let Some(pair) = members.windows(2).find(|pair| matches!(pair, [one, other] if one.id == other.id)) {
            let names: Vec<&str> = pair.iter().map(Member::name).collect();
            return Err(invalid(format!("the members {} get the same id: give another token", names.join(" and "))));
        }
        if let Some(member) = members.iter().find(|member| member.id == MemberId(0)) {
            return Err(invalid(format!("the member {} gets the id 0: give another token", member.name)));
        }
        let ids: Vec<u8> = members.iter().flat_map(|member| member.id.0.to_be_bytes()).collect();
        Ok(Self { token: token.to_owned(), id: ClusterId(first_eight(&ids)), members })
    }

    /// The first 8 bytes, big-endian, of the SHA-1 over the members' ids.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        self.id
    }

    /// `--initial-cluster-token`.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The members, by their ids; one or more.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that name.
    ///
    /// # Errors
    /// [`Error::InvalidCluster`] with the names that there are.
    pub fn member(&self, name: &str) -> Result<&Member, Error> {
        let names = || self.members.iter().map(Member::name).collect::<Vec<_>>().join(", ");
        self.members.iter().find(|member| member.name == name).ok_or_else(|| invalid(format!("it has no member {name:?}, only {}", names())))
    }
}

impl fmt::Display for InitialCluster {
    /// As `--initial-cluster` is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<String> =
            self.members.iter().flat_map(|member| member.peer_urls.iter().map(|url| format!("{}={url}", member.name))).collect();
        pairs.sort();
        f.write_str(&pairs.join(","))
    }
}

impl From<InitialCluster> for Text {
    fn from(cluster: InitialCluster) -> Self {
        Self { initial_cluster: cluster.to_string(), initial_cluster_token: cluster.token }
    }
}

impl TryFrom<Text> for InitialCluster {
    type Error = Error;

    fn try_from(text: Text) -> Result<Self, Error> {
        Self::parse(&text.initial_cluster, &text.initial_cluster_token)
    }
}

fn member(name: String, mut peer_urls: Vec<String>, token: &str) -> Member {
    peer_urls.sort();
    let hashed: String = peer_urls.iter().map(String::as_str).chain([token]).collect();
    Member { id: MemberId(first_eight(hashed.as_bytes())), name, peer_urls }
}

fn first_eight(bytes: &[u8]) -> u64 {
    let digest: [u8; 20] = Sha1::digest(bytes).into();
    digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte))
}

fn checked_name(name: String) -> Result<String, Error> {
    if name.is_empty() || name.trim() != name || name.contains(['=', ',']) {
        return Err(invalid(format!("{name:?} is no member's name: expected its --name, without spaces around it")));
    }
    Ok(name)
}

/// The URL as etcd writes it: the scheme in small letters.
fn checked_url(text: &str) -> Result<String, Error> {
    let wrong = |what: &str| invalid(format!("{text:?} is no peer URL: {what}; write it like http://10.0.0.1:2380"));
    let (scheme, address) = text.trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(wrong("its scheme is neither http nor https"));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !is_port {
        return Err(wrong("its port is no number from 1 to 65535, or something follows it"));
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let right = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    if right { Ok(format!("{scheme}://{address}")) } else { Err(wrong("its host is neither a name nor an address (IPv6 stands in brackets)")) }
}

fn invalid(problem: String) -> Error {
    Error::InvalidCluster { problem }
}

macro_rules! hexadecimal {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal!(MemberId);
hexadecimal!(ClusterId);

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(initial_cluster: &str, token: &str) -> String {
        match InitialCluster::parse(initial_cluster, token) {
            Err(Error::InvalidCluster { problem }) => problem,
            other => panic!("{initial_cluster:?}: {other:?}"),
        }
    }

    #[test]
    fn ids_are_those_of_etcdutl() {
        let text = "m0=http://127.0.0.1:2380,m1=http://127.0.0.2:2380,m1=https://127.0.0.2:2381,m2=http://127.0.0.3:2380";
        let cluster = InitialCluster::parse(text, "tok").unwrap();
        let other_order = "m2=http://127.0.0.3:2380,m1=https://127.0.0.2:2381,m1=http://127.0.0.2:2380,m0=http://127.0.0.1:2380";
        assert_eq!(InitialCluster::parse(other_order, "tok").unwrap(), cluster);
        let ids: Vec<String> = cluster.members().iter().map(|member| format!("{} {}", member.name(), member.id())).collect();
        assert_eq!(ids, ["m1 ccf74e9b01658f3", "m2 2f2af311a04f72b2", "m0 71405583d3e2d5ce"]);
        assert_eq!(cluster.id().to_string(), "fbe426426898a1a1");
        assert_eq!(cluster.to_string(), text);
    }

    #[test]
    fn what_cannot_be_a_cluster_is_refused_with_its_remedy() {
        for (text, token, word) in [
            ("", "t", "no members"),
            ("m0=http://a:1", "", "token is empty"),
            ("m0", "t", "write name="),
            ("=http://a:1", "t", "no member's name"),
            ("m0=http://a:1, m1=http://b:1", "t", "without spaces"),
            ("m0=a:1", "t", "no scheme"),
            ("m0=unix://a:1", "t", "neither http nor https"),
            ("m0=http://a", "t", "no port"),
            ("m0=http://a:1/", "t", "port"),
            ("m0=http://a:0", "t", "port"),
            ("m0=http://a:+1", "t", "port"),
            ("m0=http://:1", "t", "host"),
            ("m0=http://u@a:1", "t", "host"),
            ("m0=http://::1:1", "t", "brackets"),
            ("m0=http://[fe80::1%25eth0]:1", "t", "brackets"),
            ("m0=http://a:1,m1=http://a:1", "t", "for m0 and for m1"),
            ("m0=http://a:1,m0=HTTP://a:1", "t", "for m0 and for m0"),
        ] {
            let problem = problem(text, token);
            assert!(problem.contains(word), "{text:?}: {problem}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_refused_with_those_that_are() {
        let cluster = InitialCluster::parse("m0=http://a:1,m1=http://[::1]:2", "t").unwrap();
        assert_eq!(cluster.member("m1").unwrap().peer_urls(), ["http://[::1]:2"]);
        assert!(cluster.member("m2").unwrap_err().to_string().contains("\"m2\""));
    }

    #[test]
    fn a_cluster_survives_serde_and_an_invalid_one_does_not_come_in() {
        let cluster = InitialCluster::parse("b=http://a:1,a=https://b:2", "t").unwrap();
        let json = serde_json::to_string(&cluster).unwrap();
        assert_eq!(json, r#"{"initialCluster":"a=https://b:2,b=http://a:1","initialClusterToken":"t"}"#);
        assert_eq!(serde_json::from_str::<InitialCluster>(&json).unwrap(), cluster);
        assert!(serde_json::from_str::<InitialCluster>(&json.replace("https", "ftp")).is_err());
    }
}
