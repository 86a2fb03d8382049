//! The texts that `check-expiration` prints, byte for byte.

use jiff::Timestamp;

use super::check_expiration::{CheckExpiration, Entry};

/// The table of leaves.
pub(super) fn certificates(entries: &[Entry]) -> String {
    let header = ["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"].map(str::to_owned);
    let row = |entry: &Entry| {
        let authority = entry.ca_name.map_or(String::new(), |ca| ca.name().to_owned());
        [name(entry), expires(entry), entry.residual_text.clone(), authority, managed(entry)]
    };
    aligned(std::iter::once(header).chain(entries.iter().map(row)).collect())
}

/// The table of leaves where it names no authority.
pub(super) fn certificates_alone(entries: &[Entry]) -> String {
    without_authority("CERTIFICATE", entries)
}

/// The table of authorities.
pub(super) fn authorities(entries: &[Entry]) -> String {
    without_authority("CERTIFICATE AUTHORITY", entries)
}

fn without_authority(first: &str, entries: &[Entry]) -> String {
    let header = [first, "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED"].map(str::to_owned);
    let row = |entry: &Entry| [name(entry), expires(entry), entry.residual_text.clone(), managed(entry)];
    aligned(std::iter::once(header).chain(entries.iter().map(row)).collect())
}

/// Indented by four spaces, as the printer of kubectl and kubeadm does.
pub(super) fn json(shown: &CheckExpiration) -> String {
    let mut text = String::from("{\n    \"kind\": \"CertificateExpirationInfo\",\n    \"apiVersion\": \"output.kubeadm.k8s.io/v1alpha3\",\n");
    for (key, entries, end) in [("certificates", &shown.certificates, ",\n"), ("certificateAuthorities", &shown.certificate_authorities, "\n")] {
        let list: Vec<_> = entries.iter().map(json_entry).collect();
        text.extend(["    \"", key, "\": [\n", &list.join(",\n"), "\n    ]", end]);
    }
    text + "}\n"
}

fn json_entry(entry: &Entry) -> String {
    let date = entry.expiration_date.map_or_else(|| "null".to_owned(), |date| format!("\"{date}\""));
    let mut fields = vec![
        format!("\"name\": \"{}\"", entry.item),
        format!("\"expirationDate\": {date}"),
        format!("\"residualTime\": {}", entry.residual_time),
        format!("\"externallyManaged\": {}", entry.externally_managed),
    ];
    fields.extend(entry.ca_name.map(|ca| format!("\"caName\": \"{ca}\"")));
    fields.push(format!("\"missing\": {}", entry.missing));
    format!("        {{\n            {}\n        }}", fields.join(",\n            "))
}

/// Keys by the alphabet, as the YAML printer orders them.
pub(super) fn yaml(shown: &CheckExpiration) -> String {
    let mut text = String::from("apiVersion: output.kubeadm.k8s.io/v1alpha3\n");
    for (key, entries) in [("certificateAuthorities", &shown.certificate_authorities), ("certificates", &shown.certificates)] {
        text.extend([key, ":\n"]);
        text.extend(entries.iter().map(yaml_entry));
    }
    text + "kind: CertificateExpirationInfo\n"
}

fn yaml_entry(entry: &Entry) -> String {
    let date = entry.expiration_date.map_or_else(|| "null".to_owned(), |date| format!("\"{date}\""));
    let mut fields: Vec<_> = entry.ca_name.map(|ca| format!("caName: {ca}")).into_iter().collect();
    fields.extend([
        format!("expirationDate: {date}"),
        format!("externallyManaged: {}", entry.externally_managed),
        format!("missing: {}", entry.missing),
        format!("name: {}", entry.item),
        format!("residualTime: {}", entry.residual_time),
    ]);
    format!("- {}\n", fields.join("\n  "))
}

fn name(entry: &Entry) -> String {
    if entry.missing { format!("!MISSING! {}", entry.item) } else { entry.item.name().to_owned() }
}

fn expires(entry: &Entry) -> String {
    entry.expiration_date.map_or(String::new(), date)
}

/// Go's `Jan 02, 2006 15:04 MST` in UTC.
fn date(time: Timestamp) -> String {
    time.strftime("%b %d, %Y %H:%M UTC").to_string()
}

/// The last column is padded by its own format, `%-8v`, and only where there is a certificate.
fn managed(entry: &Entry) -> String {
    match (entry.missing, entry.externally_managed) {
        (true, _) => String::new(),
        (false, true) => "yes     ".to_owned(),
        (false, false) => "no      ".to_owned(),
    }
}

/// Go's tabwriter with a least width of ten and three spaces of padding. The last cell of a line is not part of a column.
fn aligned<const COLUMNS: usize>(rows: Vec<[String; COLUMNS]>) -> String {
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len() + 3).max(10);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padding = if index + 1 == COLUMNS { 0 } else { width - cell.len() };
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', padding));
        }
        text.push('\n');
    }
    text
}
