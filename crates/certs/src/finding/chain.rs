//! Who signed whom, among all that was found.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{Problem, Problems, Severity};
use crate::certificate::Certificate;
use crate::inspect::{Inspected, Inspection};
use crate::name::Name;
use crate::renew::{SignatureCheck, check_signature};

/// No chain of a cluster is longer; a circle ends here.
const LONGEST: usize = 8;
/// How many authorities of one name are asked for their signature; whoever has more gets no answer rather than a slow one.
const MOST_ASKED: usize = 16;

pub(super) struct Chains<'a> {
    /// The authorities by their names, those that end last first; many may share a name, and the same one may lie in many places.
    authorities: HashMap<&'a Name, Vec<&'a Certificate>>,
    /// Who signed each authority.
    above: HashMap<&'a [u8], Issuer<'a>>,
    /// For each item of the inspection.
    issuers: Vec<Issuer<'a>>,
}

#[derive(Clone, Copy)]
enum Issuer<'a> {
    /// It is a root, or nobody of its issuer's name was found.
    Unknown,
    /// This one signed it.
    Found(&'a Certificate),
    /// There are some of the name, and none of them signed it.
    Another,
}

impl<'a> Chains<'a> {
    pub(super) fn of(inspection: &'a Inspection) -> Self {
        let mut authorities: HashMap<&Name, Vec<&Certificate>> = HashMap::new();
        let mut known = HashSet::new();
        for (_, certificate) in inspection.certificates().filter(|(_, certificate)| certificate.is_ca()) {
            if known.insert(certificate.der()) {
                authorities.entry(&certificate.subject).or_default().push(certificate);
            }
        }
        for named in authorities.values_mut() {
            named.sort_by_key(|authority| Reverse(authority.not_after));
        }
        let mut chains = Self { authorities, above: HashMap::new(), issuers: Vec::new() };
        chains.above = chains.authorities.values().flatten().map(|authority| (authority.der(), chains.issuer(authority))).collect();
        let issuer = |item: &'a Inspected| item.certificate().map_or(Issuer::Unknown, |certificate| chains.issuer(certificate));
        chains.issuers = inspection.items.iter().map(issuer).collect();
        chains
    }

    pub(super) fn look_at(&self, index: usize, certificate: &Certificate, now: Timestamp, problems: &mut Problems) {
        match self.issuers.get(index) {
            Some(Issuer::Found(authority)) => self.dies_first(certificate, authority, now, problems),
            Some(Issuer::Another) => problems.push((Severity::Error, Problem::SignedByAnother { issuer: certificate.issuer.to_string() })),
            Some(Issuer::Unknown) | None => {}
        }
    }

    fn dies_first(&self, certificate: &Certificate, authority: &Certificate, now: Timestamp, problems: &mut Problems) {
        let (mut end, mut whose, mut at) = (certificate.not_after, None, authority);
        for _ in 0..LONGEST {
            if at.not_after < end {
                (end, whose) = (at.not_after, Some(at));
            }
            match self.above.get(at.der()) {
                Some(Issuer::Found(above)) => at = above,
                Some(Issuer::Unknown | Issuer::Another) | None => break,
            }
        }
        let Some(whose) = whose else { return };
        let severity = if end < now { Severity::Error } else { Severity::Warning };
        let (not_after, authority) = (certificate.not_after, whose.subject.to_string());
        problems.push((severity, Problem::ChainDiesFirst { not_after, effective_not_after: end, authority }));
    }

    /// Of those that could have signed it the one that ends last: a renewed authority, or a cross-signed one, lies beside the one that it replaces.
    fn issuer(&self, certificate: &Certificate) -> Issuer<'a> {
        let named: &[&'a Certificate] = self.authorities.get(&certificate.issuer).map_or(&[], Vec::as_slice);
        if named.is_empty() || certificate.is_self_issued() && signed(certificate, certificate) {
            return Issuer::Unknown;
        }
        // Names and key identifiers agree: who forges those is caught by whoever uses the certificate, at 30 µs each.
        let wanted = certificate.extensions.authority_key_id.as_ref().and_then(|id| id.key_id.as_ref());
        let identified = wanted.and_then(|wanted| named.iter().find(|authority| authority.extensions.subject_key_id.as_ref() == Some(wanted)));
        // An authority made anew from its key may have another identifier, at which nobody but openssl looks.
        let asked = || named.iter().take(MOST_ASKED).find(|authority| signed(certificate, authority));
        match identified.or_else(asked) {
            Some(authority) => Issuer::Found(authority),
            None if named.len() > MOST_ASKED => Issuer::Unknown,
            None => Issuer::Another,
        }
    }
}

/// What cannot be checked is believed.
fn signed(certificate: &Certificate, authority: &Certificate) -> bool {
    !matches!(check_signature(certificate.der(), &authority.public_key.spki), Ok(SignatureCheck::Bad) | Err(_))
}
