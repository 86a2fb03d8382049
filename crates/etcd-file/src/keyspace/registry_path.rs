//! Reads the keys under which Kubernetes keeps its objects: `<prefix>/[group/]resource[/namespace]/name`.
//!
//! A key does not say whether its resource has namespaces: two segments behind the resource are taken for namespace and name, one for a name.
//! Built-in resources stand without their group (`/registry/deployments/…`), custom resources and those of the API's own extensions with it
//! (`/registry/example.com/widgets/…`): a group has a dot, a built-in resource has none.

/// Where a key belongs, as pieces of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistryPath<'a> {
    /// As it stands in the key, with its leading slash: `/registry`. Empty for a key that is no path.
    pub(crate) prefix: &'a [u8],
    /// What stands between the prefix and the object: `services/specs`, `example.com/widgets`.
    pub(crate) path: &'a [u8],
    /// None for objects of the cluster, and for keys that are not Kubernetes'.
    pub(crate) namespace: Option<&'a [u8]>,
}

/// The prefixes under which Kubernetes' layout is expected; any other key is grouped by its first two segments.
#[derive(Debug, Clone)]
pub(crate) struct Prefixes {
    /// Without slashes at the ends, the longest first.
    known: Vec<Vec<u8>>,
}

/// `--etcd-prefix`: kube-apiserver's default, and what the two API servers of `OpenShift` have.
pub(crate) const DEFAULT_PREFIXES: [&str; 3] = ["/registry", "/kubernetes.io", "/openshift.io"];

/// Where kube-apiserver notes what it compacted to; the only key of Kubernetes' that is no path (`compact.go` in
/// `apiserver/pkg/storage/etcd3`, v0.37.2).
const COMPACT_REV_KEY: &[u8] = b"compact_rev_key";

impl Prefixes {
    pub(crate) fn new<P: AsRef<str>>(prefixes: &[P]) -> Self {
        let mut known: Vec<Vec<u8>> = prefixes.iter().map(|prefix| prefix.as_ref().trim_matches('/').as_bytes().to_vec()).collect();
        known.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        Self { known }
    }

    pub(crate) fn split<'a>(&self, key: &'a [u8]) -> RegistryPath<'a> {
        let slash = usize::from(key.first() == Some(&b'/'));
        let body = key.get(slash..).unwrap_or_default();
        let is_under = |prefix: &&Vec<u8>| !prefix.is_empty() && segment_at(body, prefix.len()) == Some(prefix);
        if let Some(prefix) = self.known.iter().find(is_under) {
            let (prefix, rest) = cut(key, slash + prefix.len());
            return object(prefix, rest);
        }
        match body.iter().position(|byte| *byte == b'/') {
            Some(end) => {
                let (prefix, rest) = cut(key, slash + end);
                // The last segment names the single key.
                let path = rest.iter().position(|byte| *byte == b'/').and_then(|end| rest.get(..end));
                RegistryPath { prefix, path: path.unwrap_or_default(), namespace: None }
            }
            None => RegistryPath { prefix: b"", path: if key == COMPACT_REV_KEY { key } else { b"" }, namespace: None },
        }
    }
}

/// What a path is called: the name that kubectl uses, and the group where the key has it.
///
/// Paths behind which there is no API (`masterleases`, `ranges`, `peerserverleases`, `health`) keep their own name.
pub(crate) fn resource(path: &str) -> (Option<&str>, &str) {
    if let Some((_, resource)) = SPECIAL_PATHS.iter().find(|(special, _)| *special == path) {
        return (None, resource);
    }
    path.split_once('/').map_or((None, path), |(group, resource)| (Some(group), resource))
}

/// Resources that lie elsewhere than under their own name.
///
/// `SpecialDefaultResourcePrefixes` in `pkg/kubeapiserver/default_storage_factory_builder.go` (v1.37.2; `podsecuritypolicy` until v1.24), and
/// `specialDefaultResourcePrefixes` in the `oauth-apiserver` and `openshift-apiserver` of `OpenShift`.
const SPECIAL_PATHS: &[(&str, &str)] = &[
    ("services/specs", "services"),
    ("services/endpoints", "endpoints"),
    ("minions", "nodes"),
    ("controllers", "replicationcontrollers"),
    ("ingress", "ingresses"),
    ("podsecuritypolicy", "podsecuritypolicies"),
    ("oauth/accesstokens", "oauthaccesstokens"),
    ("oauth/authorizetokens", "oauthauthorizetokens"),
    ("oauth/clients", "oauthclients"),
    ("oauth/clientauthorizations", "oauthclientauthorizations"),
    ("useridentities", "identities"),
];

fn object<'a>(prefix: &'a [u8], rest: &'a [u8]) -> RegistryPath<'a> {
    let first = segment(rest);
    let second = segment(rest.get(first.len() + 1..).unwrap_or_default());
    let two = cut(rest, first.len() + 1 + second.len()).0;
    let is_special = SPECIAL_PATHS.iter().any(|(path, _)| path.as_bytes() == two);
    let end = if !second.is_empty() && (is_special || first.contains(&b'.')) { two.len() } else { first.len() };
    let (path, name) = cut(rest, end);
    let namespace = segment(name);
    RegistryPath { prefix, path, namespace: (namespace.len() < name.len()).then_some(namespace) }
}

fn segment(rest: &[u8]) -> &[u8] {
    rest.split(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The first `length` bytes where a segment ends there.
fn segment_at(body: &[u8], length: usize) -> Option<&[u8]> {
    let ends = body.get(length).is_none_or(|byte| *byte == b'/');
    body.get(..length).filter(|_| ends)
}

/// Cuts before and after the slash at `end`.
fn cut(bytes: &[u8], end: usize) -> (&[u8], &[u8]) {
    (bytes.get(..end).unwrap_or(bytes), bytes.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(key: &str) -> (String, String, Option<String>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let path = Prefixes::new(&DEFAULT_PREFIXES).split(key.as_bytes());
        (text(path.prefix), text(path.path), path.namespace.map(text))
    }

    fn belongs(key: &str, prefix: &str, path: &str, namespace: Option<&str>, name: (Option<&str>, &str)) {
        assert_eq!(split(key), (prefix.to_owned(), path.to_owned(), namespace.map(str::to_owned)), "{key}");
        assert_eq!(resource(path), name, "{key}");
    }

    #[test]
    fn built_in_resources_stand_without_their_group() {
        belongs("/registry/pods/kube-system/coredns-0", "/registry", "pods", Some("kube-system"), (None, "pods"));
        belongs("/registry/namespaces/default", "/registry", "namespaces", None, (None, "namespaces"));
        belongs("/registry/events/default/web.18a1", "/registry", "events", Some("default"), (None, "events"));
        belongs("/registry/leases/kube-node-lease/node-1", "/registry", "leases", Some("kube-node-lease"), (None, "leases"));
        belongs("/registry/clusterroles/system:node", "/registry", "clusterroles", None, (None, "clusterroles"));
    }

    #[test]
    fn custom_resources_stand_with_their_group() {
        belongs("/registry/example.com/widgets/team-a/w", "/registry", "example.com/widgets", Some("team-a"), (Some("example.com"), "widgets"));
        let definitions = "apiextensions.k8s.io/customresourcedefinitions";
        let name = (Some("apiextensions.k8s.io"), "customresourcedefinitions");
        belongs(&format!("/registry/{definitions}/widgets.example.com"), "/registry", definitions, None, name);
    }

    #[test]
    fn special_paths_come_out_under_the_name_that_kubectl_uses() {
        belongs("/registry/services/specs/default/kubernetes", "/registry", "services/specs", Some("default"), (None, "services"));
        belongs("/registry/services/endpoints/default/kubernetes", "/registry", "services/endpoints", Some("default"), (None, "endpoints"));
        belongs("/registry/minions/node-1", "/registry", "minions", None, (None, "nodes"));
        belongs("/registry/controllers/default/rc", "/registry", "controllers", Some("default"), (None, "replicationcontrollers"));
        belongs("/registry/ingress/default/web", "/registry", "ingress", Some("default"), (None, "ingresses"));
        belongs("/openshift.io/oauth/clients/console", "/openshift.io", "oauth/clients", None, (None, "oauthclients"));
    }

    #[test]
    fn what_no_api_serves_keeps_its_own_name() {
        belongs("/registry/masterleases/10.0.0.1", "/registry", "masterleases", None, (None, "masterleases"));
        belongs("/registry/ranges/serviceips", "/registry", "ranges", None, (None, "ranges"));
        belongs("/registry/peerserverleases/apiserver-x", "/registry", "peerserverleases", None, (None, "peerserverleases"));
        belongs("/registry/health", "/registry", "health", None, (None, "health"));
        belongs("compact_rev_key", "", "compact_rev_key", None, (None, "compact_rev_key"));
    }

    #[test]
    fn other_programs_keys_are_grouped_by_their_first_two_segments() {
        belongs("/calico/ipam/v2/host/a", "/calico", "ipam", None, (None, "ipam"));
        belongs("/calico/one", "/calico", "", None, (None, ""));
        belongs("registrypods/a/b", "registrypods", "a", None, (None, "a"));
        belongs("/registry2/pods/a/b", "/registry2", "pods", None, (None, "pods"));
        belongs("loose", "", "", None, (None, ""));
    }

    #[test]
    fn broken_paths_are_no_trouble() {
        for (key, path) in [("", ""), ("/", ""), ("/registry", ""), ("/registry/", ""), ("/registry//", ""), ("/registry/example.com", "example.com")]
        {
            assert_eq!(split(key).1, path, "{key}");
        }
        assert_eq!(split("/registry/services/specs").1, "services/specs");
        assert_eq!(split("registry/pods/a/b"), ("registry".to_owned(), "pods".to_owned(), Some("a".to_owned())));
    }

    #[test]
    fn the_longest_prefix_wins() {
        let prefixes = Prefixes::new(&["/registry", "registry/tenant/"]);
        let path = prefixes.split(b"/registry/tenant/pods/default/a");
        assert_eq!(path, RegistryPath { prefix: b"/registry/tenant", path: b"pods", namespace: Some(b"default") });
        assert_eq!(prefixes.split(b"/registry/tenants/x").path, b"tenants");
    }
}
