//! Reads rows from JSON: a dump, a page of a list, one object.

mod item;
mod raw;
mod wrong;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::rows::{HistorySeen, Unread};

/// A list as `kubectl get … -o json` and the API print it. A list of the API names its kind only once.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(default, borrow)]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow, rename = "apiVersion")]
    api_version: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    metadata: Option<ListMeta>,
}

/// What a page of a list says of the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// Where the next page begins; empty or absent on the last one.
    #[serde(rename = "continue")]
    pub next: Option<String>,
    /// The version of the whole list.
    pub resource_version: Option<String>,
    /// How many objects are left, where the server says so.
    pub remaining_item_count: Option<u64>,
}

impl HistorySeen {
    /// Reads what `kubectl get deployments,replicasets,… -A -o json` prints, a list of the API, or one object.
    ///
    /// Needed of a cluster: namespaces (for the identity), deployments, replicasets, statefulsets, daemonsets, controllerrevisions, cronjobs, jobs, pods,
    /// and the Secrets and ConfigMaps of Helm (`-l owner=helm`, `-l OWNER=TILLER`), events. An object that cannot be read, or of another kind, stands in
    /// `unread` with its reason, and the rest is read.
    ///
    /// # Errors
    /// [`Error::NotADump`]: no JSON, or no object of Kubernetes.
    ///
    /// ```
    /// use trimtab_history_ops::rows::HistorySeen;
    ///
    /// let seen = HistorySeen::of_dump(br#"{"kind": "List", "items": [{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}}]}"#)?;
    /// assert_eq!(seen.unread[0].to_string(), "items[0] Service web: kind Service (v1) holds no history that is known here; leave it out of the dump");
    /// # Ok::<(), trimtab_history_ops::Error>(())
    /// ```
    pub fn of_dump(json: &[u8]) -> Result<Self, Error> {
        let mut seen = Self::default();
        seen.add_page(json)?;
        Ok(seen)
    }

    /// Adds a page of a list, and says what comes after it. Nothing of the page is held but its rows.
    ///
    /// # Errors
    /// [`Error::NotADump`]: no JSON, or no object of Kubernetes.
    pub fn add_page(&mut self, json: &[u8]) -> Result<ListMeta, Error> {
        let list: List<'_> = serde_json::from_slice(json).map_err(|error| not_a_dump(&error))?;
        let Some(items) = list.items else {
            let raw: &RawValue = serde_json::from_slice(json).map_err(|error| not_a_dump(&error))?;
            if list.kind.is_none() {
                return Err(Error::NotADump { line: 1, column: 1, problem: "neither items nor kind".to_owned() });
            }
            if list.kind.as_deref() == Some("Table") {
                return Err(Error::NotADump { line: 1, column: 1, problem: "a Table holds no objects: ask for JSON".to_owned() });
            }
            self.add(raw, None, String::new());
            return Ok(ListMeta::default());
        };
        self.add_items(items, list.kind.as_deref(), list.api_version.as_deref());
        Ok(list.metadata.unwrap_or_default())
    }

    fn add_items(&mut self, items: Vec<&RawValue>, kind: Option<&str>, api_version: Option<&str>) {
        // `ReplicaSetList` of `apps/v1`: its items are ReplicaSets and do not say so.
        let kind = kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
        let of_list = kind.zip(api_version);
        for (index, raw) in items.into_iter().enumerate() {
            self.add(raw, of_list, format!("items[{index}]"));
        }
    }

    /// As [`Self::add_page`], of a list whose items are of this kind whatever they say: a list of metadata calls them all `PartialObjectMetadata`.
    ///
    /// # Errors
    /// [`Error::NotADump`]: no JSON, or no list.
    pub fn add_page_of(&mut self, json: &[u8], kind: &str, api_version: &str) -> Result<ListMeta, Error> {
        let list: List<'_> = serde_json::from_slice(json).map_err(|error| not_a_dump(&error))?;
        let items = list.items.unwrap_or_default();
        for (index, raw) in items.into_iter().enumerate() {
            self.add(raw, Some((kind, api_version)), format!("items[{index}]"));
        }
        Ok(list.metadata.unwrap_or_default())
    }

    fn add(&mut self, raw: &RawValue, of_list: Option<(&str, &str)>, place: String) {
        if let Err((name, problem)) = item::add(self, raw, of_list) {
            let place = [place, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            self.unread.push(Unread { place, problem });
        }
    }
}

fn not_a_dump(error: &serde_json::Error) -> Error {
    let problem = match error.classify() {
        serde_json::error::Category::Eof => "it ends too soon",
        serde_json::error::Category::Data => "no list and no object of Kubernetes",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
    };
    Error::NotADump { line: error.line(), column: error.column(), problem: problem.to_owned() }
}
