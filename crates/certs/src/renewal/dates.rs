//! When a renewed certificate begins and ends: what [`crate::renew::renewed`] comes to, known before the key is touched.

use jiff::Timestamp;

use crate::kubeadm::pki::ReadCertificate;
use crate::renew::{Note, Policy};

/// First and last second under this authority, and how they differ from what was asked for.
pub(super) fn dates(authority: &ReadCertificate, policy: &Policy, now: Timestamp) -> (Timestamp, Timestamp, Vec<Note>) {
    let begin = whole_second(now.checked_sub(policy.backdate).unwrap_or(Timestamp::MIN));
    let end = whole_second(now.checked_add(policy.validity).unwrap_or(Timestamp::MAX));
    let (not_before, not_after) = (begin.max(authority.not_before), end.min(authority.not_after));
    let clamped = (not_after < end).then_some(Note::ClampedToCa { wanted: end, not_after });
    let later = (not_before > begin).then_some(Note::BeginsWithCa { wanted: begin, not_before });
    (not_before, not_after, clamped.into_iter().chain(later).collect())
}

/// The second in which a time lies.
pub(super) fn whole_second(time: Timestamp) -> Timestamp {
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    Timestamp::from_second(seconds).unwrap_or(time)
}
