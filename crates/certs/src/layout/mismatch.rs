//! What was read, held against a layout.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EntryKind, ExpectedName, Layout, LayoutEntry, NodeKind, Presence};
use crate::certificate::Certificate;
use crate::inspect::Inspection;
use crate::renew::{SignatureCheck, check_signature};

/// Of which node the files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutNode {
    /// Its data directory, as the places of the inspection have it.
    pub data_dir: String,
    /// Which parts of the distribution run there; both on a server with a kubelet.
    pub kinds: Vec<NodeKind>,
    /// Its name in Kubernetes, where names in certificates are to be compared with it.
    pub name: Option<String>,
}

/// One thing that is otherwise than the layout has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{path} ({entry}): {problem}")]
pub struct Mismatch {
    /// The entry's name.
    pub entry: String,
    /// The file.
    pub path: String,
    /// What is otherwise.
    #[serde(flatten)]
    pub problem: MismatchProblem,
}

/// How a file differs from its layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "mismatch")]
pub enum MismatchProblem {
    /// Nothing was found there.
    #[error("it is not there: is this the node's data directory, and does it run this part of the distribution?")]
    Missing,
    /// It is there, and holds no certificate where one belongs.
    #[error("no certificate can be read in it: the findings of the inspection say why")]
    NoCertificate,
    /// Another user, or another server.
    #[error("its common name is {}, expected is {expected}", found.as_deref().unwrap_or("missing"))]
    CommonName {
        /// What the layout has.
        expected: ExpectedName,
        /// What it has.
        found: Option<String>,
    },
    /// Other groups.
    #[error("its organizations are {found:?}, expected are {expected:?}: Kubernetes takes them as groups")]
    Organizations {
        /// What the layout has.
        expected: Vec<String>,
        /// What it has, in its order.
        found: Vec<String>,
    },
    /// It may be used otherwise.
    #[error("its extended key usages are {found:?}, expected are {expected:?}")]
    ExtKeyUsage {
        /// What the layout has.
        expected: Vec<String>,
        /// What it has, in its order; empty without the extension.
        found: Vec<String>,
    },
    /// The authority that lies there did not sign it.
    #[error("{authority} did not sign it: one of both comes from another cluster, or the authority was made anew")]
    SignedByAnother {
        /// The authority's file.
        authority: String,
    },
    /// The copy of an authority is another one.
    #[error("it is not what {original} holds: the agent trusts another authority than the server has")]
    CopyDiffers {
        /// The authority's file.
        original: String,
    },
}

impl Layout {
    /// What of an inspection is otherwise than the layout has it, in the order of the entries. Give it the inspection of every file of
    /// [`Layout::files`] that is there, under its path.
    ///
    /// Dates, keys and names of servers are not its matter: [`crate::findings`] looks at them. Key pairs without a certificate are not looked at.
    ///
    /// ```
    /// use trimtab_certs::Inspection;
    /// use trimtab_certs::layout::{Layout, LayoutNode, MismatchProblem, NodeKind};
    ///
    /// let node = LayoutNode { data_dir: "/var/lib/k0s".into(), kinds: vec![NodeKind::Server], name: None };
    /// let mismatches = Layout::k0s().mismatches(&Inspection::default(), &node);
    /// assert_eq!((mismatches[0].path.as_str(), &mismatches[0].problem), ("/var/lib/k0s/pki/ca.crt", &MismatchProblem::Missing));
    /// ```
    #[must_use]
    pub fn mismatches(&self, inspection: &Inspection, node: &LayoutNode) -> Vec<Mismatch> {
        let here = |entry: &&LayoutEntry| entry.kind != EntryKind::KeyPair && node.kinds.contains(&entry.node);
        self.entries.iter().filter(here).flat_map(|entry| self.of_entry(entry, inspection, node)).collect()
    }

    fn of_entry(&self, entry: &LayoutEntry, inspection: &Inspection, node: &LayoutNode) -> Vec<Mismatch> {
        let path = entry.file(&node.data_dir);
        let mut problems = Vec::new();
        if is_seen(inspection, &path) {
            match leaf(entry, inspection, &path) {
                Some(leaf) => self.look_at(entry, leaf, inspection, node, &mut problems),
                None if entry.kind == EntryKind::KubeconfigByReference => {}
                None => problems.push(MismatchProblem::NoCertificate),
            }
        } else if entry.presence == Presence::Always {
            problems.push(MismatchProblem::Missing);
        }
        problems.into_iter().map(|problem| Mismatch { entry: entry.name.clone(), path: path.clone(), problem }).collect()
    }

    fn look_at(&self, entry: &LayoutEntry, leaf: &Certificate, inspection: &Inspection, node: &LayoutNode, problems: &mut Vec<MismatchProblem>) {
        let found = leaf.subject.common_name();
        if !entry.common_name.allows(found, node.name.as_deref()) {
            problems.push(MismatchProblem::CommonName { expected: entry.common_name.clone(), found: found.map(ToOwned::to_owned) });
        }
        let found: Vec<String> = leaf.subject.organizations().map(ToOwned::to_owned).collect();
        if let Some(expected) = differing(entry.organizations.as_ref(), &found) {
            problems.push(MismatchProblem::Organizations { expected, found });
        }
        let found = leaf.extensions.ext_key_usage.clone().unwrap_or_default();
        if let Some(expected) = differing(entry.ext_key_usage.as_ref(), &found) {
            problems.push(MismatchProblem::ExtKeyUsage { expected, found });
        }
        problems.extend(self.of_authority(entry, leaf, inspection, node));
        problems.extend(self.of_copy(entry, leaf, inspection, node));
    }

    /// Nothing where no authority was found: an agent has copies of two alone.
    fn of_authority(&self, entry: &LayoutEntry, leaf: &Certificate, inspection: &Inspection, node: &LayoutNode) -> Option<MismatchProblem> {
        let authority = entry.authority.as_deref()?;
        let is_it = |entry: &&LayoutEntry| entry.name == authority || entry.copy_of.as_deref() == Some(authority);
        let files = self.entries.iter().filter(is_it).map(|entry| entry.file(&node.data_dir));
        let (file, authorities) =
            files.map(|file| (at(inspection, &file), file)).map(|(found, file)| (file, found)).find(|(_, found)| !found.is_empty())?;
        let signed = authorities.iter().any(|authority| may_have_signed(authority, leaf));
        (!signed).then_some(MismatchProblem::SignedByAnother { authority: file })
    }

    fn of_copy(&self, entry: &LayoutEntry, copy: &Certificate, inspection: &Inspection, node: &LayoutNode) -> Option<MismatchProblem> {
        let original = self.entry(entry.copy_of.as_deref()?)?.file(&node.data_dir);
        let held = at(inspection, &original);
        (!held.is_empty() && held.iter().all(|held| held.der() != copy.der())).then_some(MismatchProblem::CopyDiffers { original })
    }
}

fn is_seen(inspection: &Inspection, path: &str) -> bool {
    let places = inspection.items.iter().map(|item| &item.place);
    let others = inspection.references.iter().map(|reference| &reference.place).chain(inspection.unread.iter().map(|unread| &unread.place));
    places.chain(others).any(|place| place.source == path)
}

/// The certificates of a file, in its order.
fn at<'a>(inspection: &'a Inspection, path: &str) -> Vec<&'a Certificate> {
    inspection.certificates().filter(|(item, _)| item.place.source == path).map(|(_, certificate)| certificate).collect()
}

/// The certificate that an entry is about: the first of a file, or a kubeconfig's user.
fn leaf<'a>(entry: &LayoutEntry, inspection: &'a Inspection, path: &str) -> Option<&'a Certificate> {
    let is_user = |place: Option<&str>| place.is_some_and(|entry| entry.starts_with("users["));
    let wanted = |entry_of_place: Option<&str>| match entry.kind {
        EntryKind::Certificate => true,
        EntryKind::Kubeconfig => is_user(entry_of_place),
        EntryKind::KubeconfigByReference | EntryKind::KeyPair => false,
    };
    let mut found = inspection.certificates().filter(|(item, _)| item.place.source == path && item.position == 0);
    found.find(|(item, _)| wanted(item.place.entry.as_deref())).map(|(_, certificate)| certificate)
}

/// What is expected, where it is not what was found; the order does not count.
fn differing(expected: Option<&Vec<String>>, found: &[String]) -> Option<Vec<String>> {
    let expected = expected?;
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
    (set(expected) != set(found)).then(|| expected.clone())
}

/// A signature that cannot be checked here may be good.
fn may_have_signed(authority: &Certificate, leaf: &Certificate) -> bool {
    let named = authority.subject.rdns == leaf.issuer.rdns;
    named && !matches!(check_signature(leaf.der(), &authority.public_key.spki), Ok(SignatureCheck::Bad))
}
