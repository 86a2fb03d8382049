//! What was found as a file for the textfile collector of Prometheus' node exporter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Finding, Severity};
use crate::inspect::Inspection;

/// The dates of every certificate, and how many findings there are of each severity, in Prometheus' text format.
///
/// The names are those of the most used exporter of certificates (`x509_cert_not_after`, `x509_cert_not_before`, `x509_cert_expired`), so that
/// its alerts work; `trimtab_certs_findings` counts the rest. Two certificates of one place are told apart by `position`.
///
/// ```
/// use trimtab_certs::finding::textfile;
/// use trimtab_certs::inspect::Inspection;
///
/// let text = textfile(&Inspection::default(), &[], "2026-11-25T00:00:00Z".parse()?);
/// assert!(text.contains("trimtab_certs_findings{severity=\"error\"} 0\n"));
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn textfile(inspection: &Inspection, findings: &[Finding], now: Timestamp) -> String {
    let mut text = String::new();
    let gauge = |name: &str, help: &str| format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
    // One line for each set of labels; the same certificate may be handed in twice.
    let mut lines = BTreeMap::new();
    for (item, certificate) in inspection.certificates() {
        // Nothing where one node alone was looked at; Prometheus takes a label that is missing for an empty one.
        let node = item.place.node.as_ref().map(|node| ("node", node.clone()));
        let labels = [
            ("source", item.place.source.clone()),
            ("entry", item.place.entry.clone().unwrap_or_default()),
            ("position", item.position.to_string()),
            ("subject", certificate.subject.to_string()),
            ("issuer", certificate.issuer.to_string()),
            ("serial", certificate.serial.to_string()),
        ];
        let labels: Vec<_> = node.into_iter().chain(labels).map(|(name, value)| format!("{name}=\"{}\"", quoted(&value))).collect();
        let labels = labels.join(",");
        lines.insert(labels, certificate);
    }
    let mut series = |name: &str, help: &str, value: &dyn Fn(&crate::certificate::Certificate) -> i64| {
        text += &gauge(name, help);
        for (labels, certificate) in &lines {
            let _ = writeln!(text, "{name}{{{labels}}} {}", value(certificate));
        }
    };
    series("x509_cert_not_before", "The first second of a certificate, since 1970.", &|certificate| certificate.not_before.as_second());
    series("x509_cert_not_after", "The last second of a certificate, since 1970.", &|certificate| certificate.not_after.as_second());
    series("x509_cert_expired", "Whether its time is over.", &|certificate| i64::from(now > certificate.not_after));
    text += &gauge("trimtab_certs_findings", "How many things are wrong.");
    for severity in [Severity::Notice, Severity::Warning, Severity::Error] {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        let _ = writeln!(text, "trimtab_certs_findings{{severity=\"{severity}\"}} {count}");
    }
    text
}

/// The three characters that the format escapes.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
