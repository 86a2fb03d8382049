//! What a server shows, beside the file that it should be showing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;

/// The certificates that a server showed, its own first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// Its own, and those above it that it showed; never empty where a probe gave it.
    pub chain: Vec<Certificate>,
}

/// What a server shows, beside a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "beside")]
#[non_exhaustive]
pub enum ServedBesideFile {
    /// The very certificate of the file.
    #[error("the server shows the certificate of the file, which ends at {not_after}")]
    Same {
        /// Its last second.
        not_after: Timestamp,
    },
    /// An older one of the same subject: renewed, and not loaded yet.
    #[error("the server shows an older certificate, which ends at {served_not_after}; that of the file ends at {file_not_after}: restart the server")]
    Older {
        /// The last second of what is shown.
        served_not_after: Timestamp,
        /// The last second of what is in the file.
        file_not_after: Timestamp,
    },
    /// A newer one of the same subject: the file is not the one that the server reads, or an old one was put back.
    #[error(
        "the server shows a newer certificate, which ends at {served_not_after}; that of the file ends at {file_not_after}: it reads another file"
    )]
    Newer {
        /// The last second of what is shown.
        served_not_after: Timestamp,
        /// The last second of what is in the file.
        file_not_after: Timestamp,
    },
    /// Another one's.
    #[error("the server shows a certificate of {served}, the file has one of {file}: it is another server, or reads another file")]
    Another {
        /// Whose is shown.
        served: String,
        /// Whose is in the file.
        file: String,
    },
    /// Nothing was shown.
    #[error("the server showed no certificate")]
    Nothing,
}

impl Served {
    /// Compares what is shown with the certificate of the file that should be.
    ///
    /// ```
    /// use trimtab_certs::served::{Served, ServedBesideFile};
    /// # use trimtab_certs::certificate::Certificate;
    /// # fn shown(file: &Certificate) {
    /// assert_eq!(Served { chain: vec![] }.beside(file), ServedBesideFile::Nothing);
    /// # }
    /// ```
    #[must_use]
    pub fn beside(&self, file: &Certificate) -> ServedBesideFile {
        let Some(served) = self.chain.first() else { return ServedBesideFile::Nothing };
        let (served_not_after, file_not_after) = (served.not_after, file.not_after);
        if served.der() == file.der() {
            ServedBesideFile::Same { not_after: file_not_after }
        } else if served.subject != file.subject {
            ServedBesideFile::Another { served: served.subject.to_string(), file: file.subject.to_string() }
        } else if served_not_after <= file_not_after {
            ServedBesideFile::Older { served_not_after, file_not_after }
        } else {
            ServedBesideFile::Newer { served_not_after, file_not_after }
        }
    }
}
