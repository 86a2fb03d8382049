//! What is said of an object that cannot be read: which one it is, and what is wrong with it; nothing of what is in it, which may be a secret.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::rows::UnreadProblem;

/// The most characters of somebody else's text that are shown.
const LONGEST: usize = 128;

/// What a parser says without what it found: serde puts the value itself into its message, and that may be a password.
pub(super) fn invalid(error: &serde_json::Error) -> UnreadProblem {
    let said = error.to_string();
    let place = format!("line {}, column {} of the object", error.line(), error.column());
    let problem = match error.classify() {
        // The expected type stands at the end, and is a text of this program.
        serde_json::error::Category::Data => match (said.rfind(", expected "), said.rfind(" at line ")) {
            (Some(from), Some(to)) if from < to => format!("{}: {place}", &said[from + 2..to]),
            _ if said.starts_with("missing field ") || said.starts_with("duplicate field ") => said,
            _ => format!("a value that is none: {place}"),
        },
        serde_json::error::Category::Syntax if said.starts_with("recursion limit exceeded") => format!("it is nested too deep: {place}"),
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof | serde_json::error::Category::Io => format!("no JSON: {place}"),
    };
    UnreadProblem::Invalid { problem: printable(&problem) }
}

/// Kind, namespace and name of an object, as far as it has them, whatever else is wrong with it.
pub(super) fn named(raw: &RawValue, of_list: Option<(&str, &str)>) -> String {
    let object: Object<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let metadata: Named<'_> = object.metadata.and_then(|metadata| serde_json::from_str(metadata.get()).ok()).unwrap_or_default();
    let text = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let kind = text(object.kind).filter(|kind| kind != "PartialObjectMetadata").or_else(|| of_list.map(|(kind, _)| kind.to_owned()));
    let name = match (text(metadata.namespace), text(metadata.name)) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (namespace, name) => namespace.or(name),
    };
    let parts = [kind, name].into_iter().flatten().map(|part| printable(&part)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// Somebody else's text in one line of a report: without control characters, which a terminal obeys, and no longer than names are.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}
