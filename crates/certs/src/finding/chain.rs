//! Who signed whom, among all that was found.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Problem, Problems, Severity};
use crate::certificate::Certificate;
use crate::inspect::Inspection;
use crate::name::Name;
use crate::renew::{SignatureCheck, check_signature};

/// No chain of a cluster is longer; a circle ends here.
const LONGEST: usize = 8;

pub(super) struct Chains<'a> {
    /// The authorities by their names; many may share one, and the same one may lie in many places.
    authorities: HashMap<&'a Name, Vec<&'a Certificate>>,
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
        for (_, certificate) in inspection.certificates().filter(|(_, certificate)| certificate.is_ca()) {
            let known = authorities.entry(&certificate.subject).or_default();
            if !known.iter().any(|other| other.der() == certificate.der()) {
                known.push(certificate);
            }
        }
        let mut chains = Self { authorities, issuers: Vec::new() };
        let issuer = |item: &'a crate::inspect::Inspected| item.certificate().map_or(Issuer::Unknown, |certificate| chains.issuer(certificate));
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
            match self.issuer(at) {
                Issuer::Found(above) => at = above,
                Issuer::Unknown | Issuer::Another => break,
            }
        }
        let Some(whose) = whose else { return };
        let severity = if end < now { Severity::Error } else { Severity::Warning };
        let (not_after, authority) = (certificate.not_after, whose.subject.to_string());
        problems.push((severity, Problem::ChainDiesFirst { not_after, effective_not_after: end, authority }));
    }

    fn issuer(&self, certificate: &Certificate) -> Issuer<'a> {
        let named: &[&Certificate] = self.authorities.get(&certificate.issuer).map_or(&[], Vec::as_slice);
        if named.is_empty() || certificate.is_self_issued() && signed(certificate, certificate) {
            return Issuer::Unknown;
        }
        let wanted = certificate.extensions.authority_key_id.as_ref().and_then(|id| id.key_id.as_ref());
        let fits = |authority: &&&Certificate| match (wanted, authority.extensions.subject_key_id.as_ref()) {
            (Some(wanted), Some(has)) => wanted == has,
            (Some(_) | None, Some(_) | None) => true,
        };
        let fitting: Vec<&'a Certificate> = self.authorities.get(&certificate.issuer).into_iter().flatten().filter(fits).copied().collect();
        match fitting[..] {
            [] => Issuer::Another,
            // Names and key identifiers agree: who forges those is caught by whoever uses the certificate, at 30 µs each.
            [one] if wanted.is_some() && one.extensions.subject_key_id.is_some() => Issuer::Found(one),
            _ => fitting.into_iter().find(|authority| signed(certificate, authority)).map_or(Issuer::Another, Issuer::Found),
        }
    }
}

/// What cannot be checked is believed.
fn signed(certificate: &Certificate, authority: &Certificate) -> bool {
    !matches!(check_signature(certificate.der(), &authority.public_key.spki), Ok(SignatureCheck::Bad) | Err(_))
}
