//! What stores say, told apart by what is to be done about it.

use std::error::Error as Cause;
use std::io::{self, ErrorKind};
use std::path::Path;

use object_store::client::{HttpError, HttpErrorKind};

use super::super::trouble::causes;
use crate::error::Error;

/// What a file system said.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum of forty kinds")]
pub(super) fn of_directory(directory: &Path, operation: &str, name: &str, error: &io::Error) -> Error {
    let (store, operation) = (directory.display().to_string(), described(operation, name));
    let problem = error.to_string();
    match error.kind() {
        ErrorKind::NotFound if name.is_empty() || !directory.is_dir() => Error::NoSuchStore { store, operation, problem },
        ErrorKind::NotFound => Error::NoSuchObject { store, name: name.to_owned() },
        ErrorKind::NotADirectory => Error::NoSuchStore { store, operation, problem },
        ErrorKind::AlreadyExists => Error::ObjectExists { store, name: name.to_owned() },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::StoreRefuses { store, operation, problem },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::StoreFull { store, operation, problem },
        _ => Error::Store { store, operation, problem },
    }
}

/// What a bucket said. Of its answer only code and message are told on: the rest may echo what was signed, or a session's token.
pub(super) fn of_bucket(store: &str, operation: &str, name: &str, error: &object_store::Error) -> Error {
    let texts = causes(&error.to_string(), error);
    let text = texts.join(": ");
    let (status, code) = (status(&text), element(&text, "Code").unwrap_or_default());
    let problem = problem(status, code, &text, texts.last().map_or("", String::as_str));
    let (store, operation) = (store.to_owned(), described(operation, name));
    match (status, code) {
        (_, "NoSuchBucket" | "PermanentRedirect") => Error::NoSuchStore { store, operation, problem },
        (_, "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "ServiceQuotaExceeded") | (Some(507), _) => {
            Error::StoreFull { store, operation, problem }
        }
        (Some(404), _) if name.is_empty() => Error::NoSuchStore { store, operation, problem },
        (Some(404), _) => Error::NoSuchObject { store, name: name.to_owned() },
        (Some(401 | 403), _) => Error::StoreRefuses { store, operation, problem },
        (Some(409 | 412), _) => Error::ObjectExists { store, name: name.to_owned() },
        (None, _) if text.contains("no space left on device") => Error::StoreFull { store, operation, problem },
        (None, _) if is_network(error) => Error::StoreUnreachable { store, operation, problem },
        (Some(_) | None, _) => Error::Store { store, operation, problem },
    }
}

/// `put etcd-….db`, for people.
pub(super) fn described(operation: &str, name: &str) -> String {
    if name.is_empty() { operation.to_owned() } else { format!("{operation} {name}") }
}

fn is_network(error: &(dyn Cause + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(http) = inner.downcast_ref::<HttpError>() {
            return http.kind() != HttpErrorKind::Decode;
        }
        cause = inner.source();
    }
    false
}

/// `object_store` tells the status in words only.
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The text of the first XML element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
}

fn problem(status: Option<u16>, code: &str, text: &str, last: &str) -> String {
    const LONGEST: usize = 300;
    match status {
        Some(status) if code.is_empty() => format!("HTTP {status}"),
        Some(status) => format!("HTTP {status} {code}: {}", element(text, "Message").unwrap_or_default()).chars().take(LONGEST).collect(),
        None => last.chars().take(LONGEST).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Error {
        let error = object_store::Error::Generic { store: "S3", source: text.to_owned().into() };
        of_bucket("s3://b", "write", "etcd-1.db", &error)
    }

    #[test]
    fn an_answer_is_told_by_code_and_message_only() {
        let refused = "Error performing PUT in 1ms - Server returned non-2xx status code: 403 Forbidden: <?xml?><Error><Code>SignatureDoesNotMatch</Code>\
                       <Message>The signature does not match.</Message><StringToSign>AWS4 secret-token</StringToSign></Error>";
        let error = said(refused);
        assert!(matches!(error, Error::StoreRefuses { .. }), "{error}");
        assert!(error.to_string().contains("HTTP 403 SignatureDoesNotMatch: The signature does not match."), "{error}");
        assert!(!error.to_string().contains("secret-token"), "{error}");
    }

    #[test]
    fn each_answer_has_its_remedy() {
        let with = |status: &str, code: &str| said(&format!("status code: {status} X: <Error><Code>{code}</Code><Message>m</Message></Error>"));
        assert!(matches!(with("404", "NoSuchBucket"), Error::NoSuchStore { .. }));
        assert!(matches!(with("404", "NoSuchKey"), Error::NoSuchObject { .. }));
        assert!(matches!(with("507", "InsufficientStorage"), Error::StoreFull { .. }));
        assert!(matches!(with("500", "XMinioStorageFull"), Error::StoreFull { .. }));
        assert!(matches!(with("412", "PreconditionFailed"), Error::ObjectExists { .. }));
        assert!(matches!(with("503", "SlowDown"), Error::Store { .. }));
        assert!(matches!(said("something else"), Error::Store { .. }));
    }
}
