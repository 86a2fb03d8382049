//! When a kubelet renews its own certificates, and what it keeps them in.
//!
//! The moment is drawn again at every start and every turn of its loop, so nobody can tell it beforehand: only between which two it lies.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, GeneralName};

/// The part of its life after which a kubelet may renew at the earliest, and must at the latest.
const EARLIEST: f64 = 0.7;
const LATEST: f64 = 0.9;

/// Between which two moments a kubelet renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationWindow {
    /// Not before this.
    pub earliest: Timestamp,
    /// Before this.
    pub latest: Timestamp,
}

/// What a kubelet wants of its certificate. Names that it has beside these do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// Has to be equal.
    pub common_name: String,
    /// Have to be among the organizations.
    pub organizations: BTreeSet<String>,
    /// Have to be among the DNS names.
    pub dns_names: BTreeSet<String>,
    /// Have to be among the addresses.
    pub ip_addresses: BTreeSet<IpAddr>,
}

/// The names of the files in which a kubelet keeps certificate and key, in one PEM file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PairFile {
    /// The symbolic link to the one that is used; the only one that counts. As a regular file it stops the rotation for good.
    Current,
    /// The symbolic link while it is being replaced; found after a crash, it is renamed to `Current`.
    Updated,
    /// The one that was made at this time of the node's own clock and zone.
    Made(jiff::civil::DateTime),
}

impl RotationWindow {
    /// For a certificate of this life.
    ///
    /// Source: `nextRotationDeadline`, `client-go/util/certificate/certificate_manager.go@v0.37.2`: 0.7 to 0.9 of the life. The same since 1.8.
    ///
    /// ```
    /// use trimtab_certs::rotation::RotationWindow;
    ///
    /// let window = RotationWindow::of("2026-01-01T00:00:00Z".parse()?, "2026-01-11T00:00:00Z".parse()?);
    /// assert_eq!(window.earliest, "2026-01-08T00:00:00Z".parse()?);
    /// assert_eq!(window.latest, "2026-01-10T00:00:00Z".parse()?);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub fn of(not_before: Timestamp, not_after: Timestamp) -> Self {
        Self { earliest: rotation_deadline(not_before, not_after, EARLIEST), latest: rotation_deadline(not_before, not_after, LATEST) }
    }
}

/// When a certificate is renewed after this part of its life; cut off to the nanosecond.
///
/// Surprising: 0.7 of a hundred hours is a nanosecond less than seventy, since 0.7 is no binary fraction.
///
/// Source: as [`RotationWindow::of`].
///
/// ```
/// use trimtab_certs::rotation::rotation_deadline;
///
/// let begin = "2026-01-01T00:00:00Z".parse()?;
/// assert_eq!(rotation_deadline(begin, "2026-01-05T04:00:00Z".parse()?, 0.7), "2026-01-03T21:59:59.999999999Z".parse()?);
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn rotation_deadline(not_before: Timestamp, not_after: Timestamp, part: f64) -> Timestamp {
    let total = nanoseconds(not_after.duration_since(not_before));
    later(not_before, cut_off(as_float(total) * part))
}

/// How long after `notBefore` a kubelet renews, for a number drawn from [0, 1). In nanoseconds; both terms are cut off, one after the other.
///
/// Source: `jitteryDuration`, `client-go/util/certificate/certificate_manager.go@v0.37.2`, and `Jitter`, `apimachinery/pkg/util/wait/backoff.go`.
///
/// ```
/// use trimtab_certs::rotation::jittery_duration_ns;
///
/// assert_eq!(jittery_duration_ns(10, 0.25), 7);
/// assert_eq!(jittery_duration_ns(3, 0.0), 3);
/// ```
#[must_use]
pub fn jittery_duration_ns(total_ns: i64, random: f64) -> i64 {
    let total = as_float(total_ns);
    total_ns.saturating_add(cut_off(random * 0.2 * total)).saturating_sub(cut_off(total * 0.3))
}

/// Whether a kubelet is content with the certificate that it has. Without one it is not, and without a template with any.
///
/// Source: `certSatisfiesTemplateLocked`, `client-go/util/certificate/certificate_manager.go@v0.37.2`.
///
/// ```
/// use trimtab_certs::rotation::{Template, satisfies_template};
///
/// assert!(!satisfies_template(None, Some(&Template::default())));
/// let named = Template { common_name: "system:node:a".to_owned(), ..Template::default() };
/// assert!(satisfies_template(Some(&named), None));
/// assert!(!satisfies_template(Some(&Template::default()), Some(&named)));
/// ```
#[must_use]
pub fn satisfies_template(certificate: Option<&Template>, template: Option<&Template>) -> bool {
    let Some(has) = certificate else { return false };
    let Some(wants) = template else { return true };
    has.common_name == wants.common_name
        && wants.dns_names.is_subset(&has.dns_names)
        && wants.ip_addresses.is_subset(&has.ip_addresses)
        && wants.organizations.is_subset(&has.organizations)
}

impl Template {
    /// What of a certificate a kubelet looks at.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        let names = || certificate.extensions.subject_alt_name.iter().flatten();
        Self {
            common_name: certificate.subject.common_name().unwrap_or_default().to_owned(),
            organizations: certificate.subject.organizations().map(str::to_owned).collect(),
            dns_names: names().filter_map(|name| if let GeneralName::Dns { name } = name { Some(name.clone()) } else { None }).collect(),
            ip_addresses: names().filter_map(|name| if let GeneralName::Ip { address } = name { Some(*address) } else { None }).collect(),
        }
    }
}

impl PairFile {
    /// The name with the prefix of the pair: `kubelet-client` or `kubelet-server`.
    ///
    /// Source: `client-go/util/certificate/certificate_store.go@v0.37.2`.
    ///
    /// ```
    /// use trimtab_certs::rotation::PairFile;
    ///
    /// assert_eq!(PairFile::Current.name("kubelet-client"), "kubelet-client-current.pem");
    /// let made = PairFile::Made("2024-02-29T23:59:59".parse()?);
    /// assert_eq!(made.name("kubelet-server"), "kubelet-server-2024-02-29-23-59-59.pem");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self, prefix: &str) -> String {
        let which = match self {
            Self::Current => "current".to_owned(),
            Self::Updated => "updated".to_owned(),
            Self::Made(at) => at.strftime("%Y-%m-%d-%H-%M-%S").to_string(),
        };
        format!("{prefix}-{which}.pem")
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream computes in float64")]
fn as_float(nanoseconds: i64) -> f64 {
    nanoseconds as f64
}

#[expect(clippy::cast_possible_truncation, reason = "upstream cuts off; beyond 292 years it saturates here")]
fn cut_off(nanoseconds: f64) -> i64 {
    nanoseconds as i64
}

/// Saturates at 292 years, as Go's `Sub` does.
fn nanoseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(if duration.is_negative() { i64::MIN } else { i64::MAX })
}

fn later(time: Timestamp, nanoseconds: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_nanos(nanoseconds)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_draw_lies_in_the_window(total in 1_000_000_000_i64..1_000_000_000_000_000_000, random in 0.0..1.0) {
            let begin = Timestamp::UNIX_EPOCH;
            let window = RotationWindow::of(begin, later(begin, total));
            let drawn = later(begin, jittery_duration_ns(total, random));
            // Each of the terms is cut off, and a float64 has 53 bits.
            let slack = SignedDuration::from_nanos(200);
            prop_assert!(drawn >= window.earliest - slack && drawn <= window.latest + slack, "{drawn} in {window:?}");
        }

        #[test]
        fn any_times_have_a_window(begin in any::<i32>(), end in any::<i32>()) {
            let at = |second: i32| Timestamp::from_second(i64::from(second)).unwrap();
            let window = RotationWindow::of(at(begin), at(end));
            prop_assert_eq!(window.earliest <= window.latest, begin <= end);
        }
    }
}
