//! Lists of resources: what a container or a pod requests, and its limits.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::null;
use crate::quantity::Quantity;

/// Requests and limits of a container, or of a whole pod.
///
/// `None` is Go's nil map, `Some` of an empty list its empty map. Written out, both are left away.
/// Source: `ResourceRequirements`, k8s.io/api/core/v1/types.go v0.37.2.
///
/// ```
/// use trimtab_core::view::{ResourceName, ResourceRequirements};
///
/// let json = serde_json::json!({"limits": {"cpu": 2, "memory": null}, "requests": null});
/// let resources: ResourceRequirements = serde_json::from_value(json).unwrap();
/// assert_eq!(resources.requests, None);
/// assert_eq!(resources.limit(&ResourceName::Cpu).map(|cpu| cpu.milli_value()), Some(2000));
/// // Go's decoder keeps the key of a null quantity, and makes it zero.
/// assert_eq!(resources.limit(&ResourceName::Memory).map(|memory| memory.value()), Some(0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequirements {
    /// What may be used at most.
    #[serde(skip_serializing_if = "ResourceList::is_none_or_empty")]
    pub limits: Option<ResourceList>,
    /// What is set aside.
    #[serde(skip_serializing_if = "ResourceList::is_none_or_empty")]
    pub requests: Option<ResourceList>,
    /// Resource claims by name; no formula reads them.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ResourceClaim>,
}

impl ResourceRequirements {
    /// The request for one resource, if its key is there.
    #[must_use]
    pub fn request(&self, name: &ResourceName) -> Option<&Quantity> {
        self.requests.as_ref().and_then(|list| list.quantity(name))
    }

    /// The limit of one resource, if its key is there.
    #[must_use]
    pub fn limit(&self, name: &ResourceName) -> Option<&Quantity> {
        self.limits.as_ref().and_then(|list| list.quantity(name))
    }

    /// All requests; none where there is no list.
    pub fn each_request(&self) -> impl Iterator<Item = (&ResourceName, &Quantity)> {
        self.requests.iter().flat_map(ResourceList::iter)
    }

    /// All limits; none where there is no list.
    pub fn each_limit(&self) -> impl Iterator<Item = (&ResourceName, &Quantity)> {
        self.limits.iter().flat_map(ResourceList::iter)
    }
}

/// One entry of `resources.claims`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceClaim {
    /// An entry of `spec.resourceClaims`.
    #[serde(deserialize_with = "null::absent")]
    pub name: String,
    /// The request within the claim; empty means all of them.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub request: String,
}

/// The name of a resource; the two that nearly every container has cost no allocation.
///
/// ```
/// use trimtab_core::view::ResourceName;
///
/// assert_eq!(ResourceName::from("memory"), ResourceName::Memory);
/// assert!(ResourceName::from("hugepages-2Mi").is_hugepages());
/// assert!(ResourceName::Cpu < ResourceName::from("ephemeral-storage"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ResourceName {
    /// `cpu`, in cores.
    Cpu,
    /// `memory`, in bytes.
    Memory,
    /// Any other, as it is written; never `cpu` or `memory`.
    Other(Other),
}

/// A resource that is neither `cpu` nor `memory`; made by [`ResourceName::from`] alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Other(Box<str>);

impl ResourceName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Other(Other(name)) => name,
        }
    }

    /// Whether this is `hugepages-` and a page size; the size itself is not looked at.
    /// Source: `IsHugePageResourceName`, pkg/apis/core/helper/helpers.go@v1.37.2.
    #[must_use]
    pub fn is_hugepages(&self) -> bool {
        match self {
            Self::Cpu | Self::Memory => false,
            Self::Other(Other(name)) => name.starts_with("hugepages-"),
        }
    }
}

impl From<&str> for ResourceName {
    fn from(name: &str) -> Self {
        match name {
            "cpu" => Self::Cpu,
            "memory" => Self::Memory,
            other => Self::Other(Other(other.into())),
        }
    }
}

impl PartialOrd for ResourceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the bytes of the name, as Go's encoder orders the keys of a map.
impl Ord for ResourceName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ResourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ResourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = ResourceName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a resource")
            }

            fn visit_str<E>(self, name: &str) -> Result<ResourceName, E> {
                Ok(ResourceName::from(name))
            }

            fn visit_unit<E>(self) -> Result<ResourceName, E> {
                Ok(ResourceName::default())
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// The empty name, Go's zero value.
impl Default for ResourceName {
    fn default() -> Self {
        Self::from("")
    }
}

/// Quantities by resource name, ordered by name, each name once.
///
/// A small sorted vector: a container names two resources, rarely five.
///
/// ```
/// use trimtab_core::view::{ResourceList, ResourceName};
///
/// let mut list = ResourceList::default();
/// list.insert(ResourceName::Memory, "1Gi".parse()?);
/// list.insert(ResourceName::Cpu, "1000m".parse()?);
/// assert_eq!(serde_json::to_string(&list).unwrap(), r#"{"cpu":"1","memory":"1Gi"}"#);
/// # Ok::<(), trimtab_core::quantity::QuantityError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct ResourceList(Vec<(ResourceName, Quantity)>);

impl ResourceList {
    /// The quantity of one resource, if its key is there; a zero quantity is there too.
    #[must_use]
    pub fn quantity(&self, name: &ResourceName) -> Option<&Quantity> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, quantity)| quantity)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains(&self, name: &ResourceName) -> bool {
        self.quantity(name).is_some()
    }

    /// Sets a quantity, and returns what stood there.
    pub fn insert(&mut self, name: ResourceName, quantity: Quantity) -> Option<Quantity> {
        match self.0.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, quantity)),
            Err(at) => {
                self.0.insert(at, (name, quantity));
                None
            }
        }
    }

    /// The entries, ordered by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ResourceName, &Quantity)> {
        self.0.iter().map(|(name, quantity)| (name, quantity))
    }

    /// The quantities, to be changed in place.
    pub fn quantities_mut(&mut self) -> impl Iterator<Item = &mut Quantity> {
        self.0.iter_mut().map(|(_, quantity)| quantity)
    }

    /// How many resources are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no resource is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[expect(clippy::ref_option, reason = "serde hands the field to skip_serializing_if by reference")]
    pub(super) fn is_none_or_empty(list: &Option<Self>) -> bool {
        list.as_ref().is_none_or(Self::is_empty)
    }
}

impl FromIterator<(ResourceName, Quantity)> for ResourceList {
    fn from_iter<I: IntoIterator<Item = (ResourceName, Quantity)>>(entries: I) -> Self {
        let mut list = Self::default();
        for (name, quantity) in entries {
            list.insert(name, quantity);
        }
        list
    }
}

impl fmt::Debug for ResourceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for ResourceList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for ResourceList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = ResourceList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from resource names to quantities")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ResourceList, A::Error> {
                let mut list = ResourceList::default();
                while let Some(name) = entries.next_key()? {
                    let quantity: Option<Quantity> = entries.next_value()?;
                    list.insert(name, quantity.unwrap_or_default());
                }
                Ok(list)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> ResourceList {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_order_is_that_of_the_names_whatever_the_order_of_the_text() {
        let list: ResourceList = serde_json::from_str(r#"{"memory": "1", "hugepages-2Mi": "2", "cpu": "3", "example.com/gpu": "4"}"#).unwrap();
        let names: Vec<_> = list.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cpu", "example.com/gpu", "hugepages-2Mi", "memory"]);
    }

    #[test]
    fn a_key_that_is_written_twice_keeps_the_last_value() {
        let list: ResourceList = serde_json::from_str(r#"{"cpu": "1", "cpu": "2"}"#).unwrap();
        assert_eq!(serde_json::to_value(&list).unwrap(), serde_json::json!({"cpu": "2"}));
    }

    #[test]
    fn a_null_quantity_is_zero_and_its_key_stays() {
        let list = read(serde_json::json!({"cpu": null}));
        assert!(list.contains(&ResourceName::Cpu));
        assert_eq!(list.quantity(&ResourceName::Cpu).map(Quantity::value), Some(0));
    }

    #[test]
    fn an_empty_list_is_not_an_absent_one() {
        let resources: ResourceRequirements = serde_json::from_value(serde_json::json!({"limits": {}})).unwrap();
        assert_eq!((resources.limits, resources.requests), (Some(ResourceList::default()), None));
    }

    #[test]
    fn empty_lists_are_not_written() {
        let resources = ResourceRequirements { limits: Some(ResourceList::default()), ..ResourceRequirements::default() };
        assert_eq!(serde_json::to_string(&resources).unwrap(), "{}");
    }
}
