//! What a CA restricts, and what a certificate demands of its readers: as Go's `crypto/x509` judges one certificate below one CA.
//!
//! Source: `processExtensions`, `crypto/x509/parser.go@go1.26`; `checkChainConstraints`, `crypto/x509/constraints.go@go1.26`.

use std::net::IpAddr;

use super::der::{self, Malformed, Reader};
use super::parts::{Extension, Parts, SUBJECT_ALT_NAME, SUBJECT_KEY_IDENTIFIER};
use super::verify::ChainProblem;
use crate::error::Role;
use crate::octets::address;

const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x1E];
const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 1, 1];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = super::parts::AUTHORITY_KEY_IDENTIFIER;
/// The last number behind 2.5.29 of what Go understands beside the names: keyUsage, basicConstraints, CRLs, policies, mappings, constraints of
/// policies, extKeyUsage, inhibitAnyPolicy.
const UNDERSTOOD: [u8; 8] = [15, 19, 31, 32, 33, 36, 37, 54];

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// The critical extensions for which Go refuses a certificate.
pub(super) fn of_critical_extensions(certificate: &Parts<'_>, of: Role) -> Vec<ChainProblem> {
    let critical = certificate.extensions.iter().filter(|extension| extension.critical);
    critical
        .filter_map(|extension| {
            let oid = der::oid_text(extension.oid);
            if [SUBJECT_KEY_IDENTIFIER, AUTHORITY_KEY_IDENTIFIER, AUTHORITY_INFO_ACCESS].contains(&extension.oid) {
                return Some(ChainProblem::WronglyCritical { of, oid });
            }
            (!is_understood(extension)).then_some(ChainProblem::UnknownCriticalExtension { of, oid })
        })
        .collect()
}

/// Names of kinds that Go does not read are not understood either, where they stand alone among the names, or in a constraint.
fn is_understood(extension: &Extension<'_>) -> bool {
    let known = |tag: u8| [EMAIL, DNS, URI, IP].contains(&tag);
    match extension.oid {
        SUBJECT_ALT_NAME => names(extension.value).is_ok_and(|names| names.iter().any(|(tag, _)| known(*tag))),
        NAME_CONSTRAINTS => {
            Constraints::read(extension.value).is_ok_and(|read| read.permitted.iter().chain(&read.excluded).all(|(tag, _)| known(*tag)))
        }
        [0x55, 0x1D, last] => UNDERSTOOD.contains(last),
        _ => false,
    }
}

/// Names of a leaf that its CA may not vouch for. The common name is not one of them, as Go compares it with nothing.
pub(super) fn of_names(leaf: &Parts<'_>, ca: &Parts<'_>) -> Vec<ChainProblem> {
    let (Some(constraints), Some(names_of_leaf)) = (ca.extension(NAME_CONSTRAINTS), leaf.extension(SUBJECT_ALT_NAME)) else { return Vec::new() };
    let Ok(constraints) = Constraints::read(constraints.value) else { return vec![ChainProblem::NameConstraintsNotRead] };
    let Ok(names) = names(names_of_leaf.value) else { return Vec::new() };
    names.into_iter().filter_map(|(tag, value)| constraints.problem(tag, value)).collect()
}

/// What stands in a nameConstraints extension: kinds of names by their tags, with their values.
struct Constraints<'a> {
    permitted: Vec<(u8, &'a [u8])>,
    excluded: Vec<(u8, &'a [u8])>,
}

impl<'a> Constraints<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut inside = Reader::inside(value, der::SEQUENCE)?;
        let permitted = inside.optional(der::context(0))?.map_or(Ok(Vec::new()), |list| subtrees(list.contents))?;
        let excluded = inside.optional(der::context(1))?.map_or(Ok(Vec::new()), |list| subtrees(list.contents))?;
        inside.end()?;
        let lengths_fit = permitted.iter().chain(&excluded).all(|(tag, value)| *tag != IP || matches!(value.len(), 8 | 32));
        let says_something = !(permitted.is_empty() && excluded.is_empty());
        if lengths_fit && says_something { Ok(Self { permitted, excluded }) } else { Err(Malformed) }
    }

    /// Why a name may not be, where it may not. A kind that nothing is permitted of is permitted.
    fn problem(&self, tag: u8, value: &[u8]) -> Option<ChainProblem> {
        let name = shown(tag, value);
        let Some(compared) = Compared::of(tag, value) else {
            // A URI without a host, with an address, or a mail address without a domain: Go can hold it against nothing.
            return [EMAIL, URI].contains(&tag).then_some(ChainProblem::NameNotComparable { name });
        };
        let of_kind = |list: &[(u8, &'a [u8])]| list.iter().filter(|(kind, _)| *kind == tag).map(|(_, constraint)| *constraint).collect::<Vec<_>>();
        let (permitted, excluded) = (of_kind(&self.permitted), of_kind(&self.excluded));
        if !permitted.is_empty() && !permitted.iter().any(|constraint| compared.is_within(constraint)) {
            return Some(ChainProblem::NameNotPermitted { name });
        }
        let by = excluded.iter().find(|constraint| compared.is_within(constraint) || compared.covers_its_parent(constraint))?;
        Some(ChainProblem::NameExcluded { name, by: shown(tag, by) })
    }
}

/// A name as it is held against constraints.
enum Compared {
    Ip(Vec<u8>),
    /// A DNS name, or the host of a URI, in small letters.
    Host(String),
    Mail {
        local: String,
        domain: String,
    },
}

impl Compared {
    fn of(tag: u8, value: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(value).ok();
        match tag {
            IP => Some(Self::Ip(value.to_vec())),
            DNS => text().map(|name| Self::Host(name.to_ascii_lowercase())),
            URI => host(text()?).map(Self::Host),
            EMAIL => {
                let (local, domain) = text()?.rsplit_once('@')?;
                Some(Self::Mail { local: local.to_owned(), domain: domain.to_ascii_lowercase() })
            }
            _ => None,
        }
    }

    fn is_within(&self, constraint: &[u8]) -> bool {
        match self {
            Self::Ip(address) => is_in_range(address, constraint),
            Self::Host(host) => is_below(host, &lower(constraint)),
            Self::Mail { local, domain } => match lower(constraint).rsplit_once('@') {
                // The part before the @ keeps its capitals.
                Some((_, host)) => constraint.starts_with(local.as_bytes()) && constraint.get(local.len()) == Some(&b'@') && domain == host,
                None => is_below(domain, &lower(constraint)),
            },
        }
    }

    /// Whether a name with a star stands for a name that is excluded: `*.a.test` for `x.a.test`.
    fn covers_its_parent(&self, constraint: &[u8]) -> bool {
        let constraint = lower(constraint);
        let rest = |name: &str| name.find('.').map(|at| name[at..].to_owned());
        matches!(self, Self::Host(host) if host.starts_with('*') && rest(host).is_some() && rest(host) == rest(&constraint))
    }
}

/// Whether a host is that domain or in it; one that begins with a dot has only what is below it, an empty one everything.
fn is_below(host: &str, domain: &str) -> bool {
    match host.strip_suffix(domain) {
        Some(before) => domain.is_empty() || domain.starts_with('.') && !before.is_empty() || before.is_empty() || before.ends_with('.'),
        None => false,
    }
}

/// `range` is an address and a mask of the same length.
fn is_in_range(address: &[u8], range: &[u8]) -> bool {
    let (network, mask) = range.split_at(range.len() / 2);
    address.len() == network.len() && address.iter().zip(network).zip(mask).all(|((a, n), m)| a & m == n & m)
}

/// The host of a URI; none where there is none, or where it is an address.
fn host(uri: &str) -> Option<String> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let with_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = if with_port.starts_with('[') { return None } else { with_port.split(':').next()? };
    (!host.is_empty() && host.parse::<IpAddr>().is_err()).then(|| host.to_ascii_lowercase())
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_ascii_lowercase()
}

/// `DNS:a.test`, `IP:10.0.0.0/255.0.0.0`.
fn shown(tag: u8, value: &[u8]) -> String {
    let text = crate::name::escaped(&String::from_utf8_lossy(value)).into_owned();
    match tag {
        DNS => format!("DNS:{text}"),
        URI => format!("URI:{text}"),
        EMAIL => format!("email:{text}"),
        IP => {
            let (network, mask) = if matches!(value.len(), 8 | 32) { value.split_at(value.len() / 2) } else { (value, &[][..]) };
            let parts: Vec<String> = [network, mask].into_iter().filter_map(address).map(|address| address.to_string()).collect();
            format!("IP:{}", parts.join("/"))
        }
        other => format!("[{}]", other & 0x1F),
    }
}

/// The names of a subjectAltName: tags and values.
fn names(value: &[u8]) -> Result<Vec<(u8, &[u8])>, Malformed> {
    let mut list = Reader::inside(value, der::SEQUENCE)?;
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.element()?;
        names.push((name.tag, name.contents));
    }
    Ok(names)
}

/// The bases; how far below is not looked at, as nobody else does.
fn subtrees(list: &[u8]) -> Result<Vec<(u8, &[u8])>, Malformed> {
    let mut list = Reader::new(list);
    let mut bases = Vec::new();
    while !list.is_empty() {
        let base = Reader::new(list.expect(der::SEQUENCE)?.contents).element()?;
        bases.push((base.tag, base.contents));
    }
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_itself_and_what_is_below_and_nothing_that_only_ends_alike() {
        assert!(["a.test", "x.a.test", "y.x.a.test"].iter().all(|host| is_below(host, "a.test")));
        assert!(["ba.test", "test", ""].iter().all(|host| !is_below(host, "a.test")));
        assert_eq!([is_below("a.test", ".a.test"), is_below("x.a.test", ".a.test"), is_below("any", "")], [false, true, true]);
    }

    #[test]
    fn a_range_has_addresses_of_its_own_family_alone() {
        let ten = [10, 0, 0, 0, 255, 0, 0, 0];
        assert!(is_in_range(&[10, 1, 2, 3], &ten));
        assert!(!is_in_range(&[11, 0, 0, 0], &ten) && !is_in_range(&[0; 16], &ten));
    }

    #[test]
    fn the_host_of_a_uri_is_its_name_without_user_and_port() {
        assert_eq!(host("https://u:p@A.test:8443/x?y").as_deref(), Some("a.test"));
        assert_eq!([host("urn:x"), host("https:///x"), host("https://10.0.0.1/"), host("https://[::1]:1/")], [const { None }; 4]);
    }
}
