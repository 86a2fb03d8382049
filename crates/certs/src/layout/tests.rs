use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::*;
use crate::Inspection;

fn version(text: &str) -> KubeVersion {
    text.parse().unwrap()
}

fn all(version: KubeVersion) -> [Layout; 4] {
    Distribution::ALL.map(|distribution| Layout::of(distribution, version))
}

/// The PEM of every file, made as the layout has it.
fn tree(layout: &Layout, node_name: &str) -> Vec<(String, String, String)> {
    let mut issuers: Vec<(String, Issuer<'static, KeyPair>)> = Vec::new();
    let mut made = Vec::new();
    for entry in &layout.entries {
        let copied = made.iter().find(|(name, ..): &&(String, String, String)| Some(name) == entry.copy_of.as_ref()).map(|(_, _, pem)| pem.clone());
        let pem = match (copied, entry.kind) {
            (Some(pem), _) => pem,
            (None, EntryKind::Certificate | EntryKind::Kubeconfig) => certificate(entry, node_name, &mut issuers),
            (None, EntryKind::KubeconfigByReference | EntryKind::KeyPair) => String::new(),
        };
        made.push((entry.name.clone(), entry.file(&layout.data_dir), pem));
    }
    made
}

fn certificate(entry: &LayoutEntry, node_name: &str, issuers: &mut Vec<(String, Issuer<'static, KeyPair>)>) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name(&entry.common_name, node_name));
    for organization in entry.organizations.iter().flatten() {
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    }
    for usage in entry.ext_key_usage.iter().flatten() {
        params.extended_key_usages.push(match usage.as_str() {
            "serverAuth" => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        });
    }
    match &entry.authority {
        None => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key).unwrap().pem();
            issuers.push((entry.name.clone(), Issuer::new(params, key)));
            pem
        }
        Some(authority) => {
            let (_, issuer) = issuers.iter().find(|(name, _)| name == authority).unwrap();
            params.signed_by(&key, issuer).unwrap().pem()
        }
    }
}

fn name(expected: &ExpectedName, node_name: &str) -> String {
    match expected {
        ExpectedName::Any => "192.0.2.1".to_owned(),
        ExpectedName::OneOf { names } => names[0].clone(),
        ExpectedName::Dated { prefix } => format!("{prefix}1749726675"),
        ExpectedName::OfNode { prefix } => format!("{prefix}{node_name}"),
    }
}

/// As the disk would hold them: a kubeconfig around its certificate, or pointing to one.
fn inspected(layout: &Layout, tree: &[(String, String, String)]) -> Inspection {
    use base64::Engine as _;
    let mut inspection = Inspection::default();
    for (entry, (_, path, pem)) in layout.entries.iter().zip(tree) {
        let data = base64::engine::general_purpose::STANDARD.encode(pem);
        let user = match entry.kind {
            EntryKind::Certificate => None,
            EntryKind::Kubeconfig => Some(format!("client-certificate-data: {data}")),
            EntryKind::KubeconfigByReference => Some("client-certificate: /a.crt".to_owned()),
            EntryKind::KeyPair => continue,
        };
        let contents = user.map_or(pem.clone(), |user| format!("kind: Config\nusers:\n- {{name: user, user: {{{user}}}}}\n"));
        inspection.append(Inspection::of_file(path, contents.as_bytes()));
    }
    inspection
}

fn node(layout: &Layout) -> LayoutNode {
    LayoutNode { data_dir: layout.data_dir.clone(), kinds: vec![NodeKind::Server, NodeKind::Agent], name: Some("node-1".to_owned()) }
}

#[test]
fn what_is_made_as_a_layout_has_it_differs_in_nothing() {
    for layout in all(version("1.33.1")) {
        let tree = tree(&layout, "node-1");
        assert_eq!(layout.mismatches(&inspected(&layout, &tree), &node(&layout)), [], "{}", layout.distribution);
    }
}

#[test]
fn each_file_that_has_to_be_there_is_missed_by_name() {
    for layout in all(version("1.33.1")) {
        let tree = tree(&layout, "node-1");
        for (at, entry) in layout.entries.iter().enumerate() {
            let mut without = inspected(&layout, &tree);
            without.items.retain(|item| item.place.source != tree[at].1);
            without.references.retain(|reference| reference.place.source != tree[at].1);
            let expected = entry.kind != EntryKind::KeyPair && entry.presence == Presence::Always;
            let missed: Vec<_> = layout.mismatches(&without, &node(&layout)).into_iter().map(|one| (one.entry, one.problem)).collect();
            assert_eq!(missed, if expected { vec![(entry.name.clone(), MismatchProblem::Missing)] } else { vec![] });
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_told_by_name_groups_usage_and_signer() {
    let layout = Layout::k3s(version("1.33.1"));
    let mut tree = tree(&layout, "node-1");
    let at = |name: &str| layout.entries.iter().position(|entry| entry.name == name).unwrap();
    tree[at("client-admin")].2 = tree[at("serving-kube-apiserver")].2.clone();
    let found = layout.mismatches(&inspected(&layout, &tree), &node(&layout));
    let path = "/var/lib/rancher/k3s/server/tls/client-admin.crt";
    assert!(found.iter().all(|one| one.entry == "client-admin" && one.path == path), "{found:?}");
    let shown: Vec<_> = found.iter().map(|one| one.problem.to_string()).collect();
    assert_eq!(shown[0], "its common name is kube-apiserver, expected is system:admin");
    assert_eq!(shown[1], "its organizations are [], expected are [\"system:masters\"]: Kubernetes takes them as groups");
    assert_eq!(shown[2], "its extended key usages are [\"serverAuth\"], expected are [\"clientAuth\"]");
    assert!(shown[3].starts_with("/var/lib/rancher/k3s/server/tls/client-ca.crt did not sign it"));
}

#[test]
fn an_authority_that_was_made_anew_is_told_at_all_that_the_old_one_signed_and_at_its_copy() {
    let layout = Layout::rke2(version("1.33.1"));
    let mut ours = tree(&layout, "node-1");
    let other = tree(&layout, "node-1");
    let ca = layout.entries.iter().position(|entry| entry.name == "client-ca").unwrap();
    ours[ca].2 = other[ca].2.clone();
    let found = layout.mismatches(&inspected(&layout, &ours), &node(&layout));
    let signed = layout.entries.iter().filter(|entry| entry.authority.as_deref() == Some("client-ca")).count();
    let count = |wanted: fn(&MismatchProblem) -> bool| found.iter().filter(|one| wanted(&one.problem)).count();
    assert_eq!(count(|problem| matches!(problem, MismatchProblem::SignedByAnother { .. })), signed);
    assert_eq!(count(|problem| matches!(problem, MismatchProblem::CopyDiffers { .. })), 1);
    assert_eq!(found.len(), signed + 1);
}

#[test]
fn an_agent_alone_is_held_against_its_own_files_and_the_copies_that_it_has() {
    let layout = Layout::k3s(version("1.33.1"));
    let tree = tree(&layout, "node-1");
    let mut inspection = inspected(&layout, &tree);
    inspection.items.retain(|item| item.place.source.starts_with("/var/lib/rancher/k3s/agent"));
    let agent = LayoutNode { kinds: vec![NodeKind::Agent], ..node(&layout) };
    assert_eq!(layout.mismatches(&inspection, &agent), []);
    let elsewhere = LayoutNode { name: Some("node-2".to_owned()), ..agent };
    let names: Vec<_> = layout.mismatches(&inspection, &elsewhere).into_iter().map(|one| one.entry).collect();
    assert_eq!(names, ["serving-kubelet", "client-kubelet"]);
}

#[test]
fn the_window_of_renewal_at_start_grew_in_may_of_2025() {
    let days = |text: &str| {
        let layout = Layout::k3s(version(text));
        let LayoutRenewal::AtStart { within_days, .. } = layout.entry("client-admin").unwrap().renewal else { panic!() };
        within_days.unwrap()
    };
    assert_eq!(
        ["1.29.15", "1.30.12", "1.30.13", "1.31.8", "1.31.9", "1.32.4", "1.32.5", "1.33.0", "1.33.1", "1.34"].map(days),
        [90, 90, 120, 90, 120, 90, 120, 90, 120, 120]
    );
}

#[test]
fn names_are_unique_and_every_signer_original_and_pair_is_an_entry() {
    for layout in all(version("1.37")) {
        for (at, entry) in layout.entries.iter().enumerate() {
            assert!(layout.entries[..at].iter().all(|other| other.name != entry.name), "{} twice", entry.name);
            let with = if let LayoutRenewal::With { entry } = &entry.renewal { Some(entry) } else { None };
            for named in entry.authority.iter().chain(&entry.copy_of).chain(with) {
                assert!(layout.entry(named).is_some(), "{}: {named}", entry.name);
            }
            assert!(entry.files("/d").iter().all(|file| !file.contains("PROGRAM") && file.starts_with('/')));
        }
    }
}

#[test]
fn paths_move_with_the_data_directory_and_kubeconfigs_of_etc_do_not() {
    let files = Layout::rke2(version("1.33")).files("/data/");
    assert!(files.contains(&"/data/server/tls/etcd/peer-server-client.key".to_owned()));
    assert!(files.contains(&"/data/agent/client-rke2-controller.crt".to_owned()));
    assert!(files.contains(&"/etc/rancher/rke2/rke2.yaml".to_owned()));
    assert!(Layout::kubeadm(version("1.29")).files("/pki").contains(&"/etc/kubernetes/super-admin.conf".to_owned()));
    assert!(!Layout::kubeadm(version("1.28")).files("/pki").contains(&"/etc/kubernetes/super-admin.conf".to_owned()));
}

#[test]
fn an_unknown_distribution_is_an_error_with_those_that_are_known() {
    let error = "talos".parse::<Distribution>().unwrap_err().to_string();
    assert_eq!(error, "\"talos\" is no distribution whose layout is known: kubeadm, k3s, rke2, k0s");
    assert_eq!(Distribution::ALL.map(|known| known.name().parse::<Distribution>().unwrap()), Distribution::ALL);
}

#[test]
fn a_name_with_the_second_of_its_making_has_digits_behind_it_and_a_nodes_name_the_node() {
    let dated = ExpectedName::Dated { prefix: "k3s-client-ca@".to_owned() };
    let allowed = |found: &str| dated.allows(Some(found), None);
    assert_eq!([allowed("k3s-client-ca@1749726675"), allowed("k3s-client-ca@"), allowed("k3s-client-ca@yesterday")], [true, false, false]);
    let of_node = ExpectedName::OfNode { prefix: "system:node:".to_owned() };
    let allowed = |found: &str, node: Option<&str>| of_node.allows(Some(found), node);
    assert_eq!([allowed("system:node:a", Some("a")), allowed("system:node:b", Some("a")), allowed("system:node:b", None)], [true, false, true]);
}
