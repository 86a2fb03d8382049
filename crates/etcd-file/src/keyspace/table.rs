//! A report as a readable table.

use std::fmt;

use super::report::{Amounts, KeyReport, KeyspaceReport};

/// So many lines of each list are shown; the data has all of them.
const LINES: usize = 20;

impl fmt::Display for KeyspaceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary(f)?;
        let resources: Vec<_> = self.resources.iter().map(|report| (self.title(&report.prefix, &report.name()), report.amounts)).collect();
        amounts(f, "RESOURCE", &resources)?;
        let namespaces = self.namespaces.iter().map(|report| (report.namespace.as_deref().unwrap_or("(none)").to_owned(), report.amounts));
        amounts(f, "NAMESPACE", &namespaces.collect::<Vec<_>>())?;
        let prefixes = self.prefixes.iter().map(|report| (named(&report.prefix), report.amounts));
        amounts(f, "PREFIX", &prefixes.collect::<Vec<_>>())?;
        keys(f, "LARGEST VALUES", &self.largest_values)?;
        keys(f, "MOST REWRITTEN KEYS", &self.most_rewritten_keys)?;
        keys(f, "HEAVIEST KEYS", &self.heaviest_keys)?;
        self.encodings(f)
    }
}

impl KeyspaceReport {
    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compacted = if self.compact_revision < 0 { "never compacted".to_owned() } else { format!("compacted at {}", self.compact_revision) };
        writeln!(f, "etcd {}, revision {}, {compacted}", self.etcd, self.revision)?;
        let pages = &self.pages;
        let [total, free, slack] = [pages.total_bytes(), pages.free_bytes, pages.slack_bytes].map(size);
        writeln!(f, "database {total}: free pages {free}, empty ends of pages {slack}")?;
        let forecast = &self.forecast;
        let [removed, both, alone] = [forecast.removed_bytes, forecast.freed_by_both_bytes(), forecast.freed_by_defragmentation_bytes()].map(size);
        writeln!(f, "compaction at {} removes {} rows, {removed}", forecast.compact_revision, forecast.removed_rows)?;
        writeln!(f, "defragmentation then gives back about {both}, without the compaction about {alone}")?;
        let leases = &self.leases;
        write!(f, "leases {}: {} without keys; {} keys attached", leases.leases, leases.leases_without_keys, leases.attached_keys)?;
        if leases.orphaned_keys == 0 { writeln!(f) } else { writeln!(f, ", {} keys whose lease is gone", leases.orphaned_keys) }
    }

    /// The prefix is said only where it tells something.
    fn title(&self, prefix: &str, name: &str) -> String {
        match (self.prefixes.iter().filter(|report| !report.prefix.is_empty()).count(), name) {
            (_, "") => named(prefix),
            (0 | 1, _) => name.to_owned(),
            (_, _) => format!("{name} ({})", named(prefix)),
        }
    }

    /// Which resources have encrypted values, and which values of theirs are not.
    fn encodings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_mixed = |report: &&super::report::ResourceReport| {
            report.encodings.iter().any(|report| matches!(report.encoding, super::encoding::Encoding::Encrypted { .. }))
        };
        let encrypted: Vec<_> = self.resources.iter().filter(is_mixed).collect();
        if !encrypted.is_empty() {
            writeln!(f, "\nENCRYPTED RESOURCES")?;
        }
        for report in encrypted {
            let parts = report.encodings.iter().map(|report| format!("{} keys {}", report.live_keys, report.encoding));
            writeln!(f, "{}: {}", report.name(), parts.collect::<Vec<_>>().join("; "))?;
        }
        Ok(())
    }
}

fn amounts(f: &mut fmt::Formatter<'_>, title: &str, lines: &[(String, Amounts)]) -> fmt::Result {
    let width = lines.iter().take(LINES).map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(title.len());
    let head = ["BYTES", "KEYS", "LIVE", "HISTORY", "IN ROWS", "TOMBSTONES", "SLACK", "COMPACTABLE"];
    write!(f, "\n{title:width$}")?;
    head.iter().try_for_each(|head| write!(f, " {head:>11}"))?;
    writeln!(f)?;
    for (name, amounts) in lines.iter().take(LINES) {
        write!(f, "{name:width$}")?;
        let cells = [
            size(amounts.bytes()),
            amounts.live_keys.to_string(),
            size(amounts.live_bytes),
            size(amounts.history_bytes),
            amounts.history_rows.to_string(),
            amounts.tombstones.to_string(),
            size(amounts.slack_bytes),
            size(amounts.compactable_bytes),
        ];
        cells.iter().try_for_each(|cell| write!(f, " {cell:>11}"))?;
        writeln!(f)?;
    }
    more(f, lines.len())
}

fn keys(f: &mut fmt::Formatter<'_>, title: &str, lines: &[KeyReport]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    let head = ["VALUE", "REVISIONS", "IN BYTES", "VERSION", "LAST CHANGE"];
    writeln!(f)?;
    head.iter().try_for_each(|head| write!(f, "{head:>11} "))?;
    writeln!(f, "{title}")?;
    for key in lines.iter().take(LINES) {
        let value = if key.live { size(key.value_bytes) } else { "deleted".to_owned() };
        let cells = [value, key.revisions.to_string(), size(key.bytes), key.version.to_string(), key.revision.to_string()];
        cells.iter().try_for_each(|cell| write!(f, "{cell:>11} "))?;
        writeln!(f, "{}", key.key)?;
    }
    more(f, lines.len())
}

fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    if count > LINES { writeln!(f, "and {} more", count - LINES) } else { Ok(()) }
}

fn named(prefix: &str) -> String {
    if prefix.is_empty() { "(no path)".to_owned() } else { prefix.to_owned() }
}

/// In binary units with one decimal, rounded down: `1.5 MiB`.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = bytes.checked_ilog2().map(|bits| bits / 10).filter(|power| *power > 0) else { return format!("{bytes} B") };
    let unit = units.get(power as usize - 1).unwrap_or(&"");
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable_and_never_rounded_up() {
        assert_eq!([0, 1023, 1024, 1535, 1_572_864, u64::MAX].map(size), ["0 B", "1023 B", "1.0 KiB", "1.4 KiB", "1.5 MiB", "15.9 EiB"]);
    }
}
