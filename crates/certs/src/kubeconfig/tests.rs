//! Kubeconfigs as kubeadm writes them, as people write them, and as nobody should.

use proptest::prelude::*;

use super::*;

const ADMIN: &str = "apiVersion: v1
# Handed out by the platform team.
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://192.0.2.10:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    namespace: kube-system
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: other
  user:
    token: plantedsecret
- name: kubernetes-admin
  user:
    client-certificate-data: Q0VSVA== # ends in October
    client-key-data: cGxhbnRlZHNlY3JldA==
    x-owner: ops
";

fn new() -> NewIdentity<'static> {
    NewIdentity { user: "kubernetes-admin", certificate_pem: b"NEW CERT", key_pem: b"NEW KEY" }
}

#[test]
fn a_kubeconfig_says_who_talks_to_whom() {
    let config = Kubeconfig::read(ADMIN.as_bytes()).unwrap();
    let (context, cluster, user) = config.current().unwrap();
    assert_eq!((context.name.as_str(), cluster.server.as_str()), ("kubernetes-admin@kubernetes", "https://192.0.2.10:6443"));
    assert_eq!(cluster.certificate_authority, Some(Material::Embedded { contents: b"CA".to_vec() }));
    assert_eq!(user.client_certificate, Some(Material::Embedded { contents: b"CERT".to_vec() }));
    assert_eq!(user.client_key, Some(Secret::Embedded { contents: b"plantedsecret".to_vec() }));
    assert_eq!(config.users[0].other_credentials, ["token"]);
}

#[test]
fn no_output_shows_a_key_or_a_token() {
    let config = Kubeconfig::read(ADMIN.as_bytes()).unwrap();
    let broken = Kubeconfig::read(ADMIN.replace("token: plantedsecret", "token: [plantedsecret").as_bytes()).unwrap_err();
    let typed =
        Kubeconfig::read(ADMIN.replace("client-key-data: cGxhbnRlZHNlY3JldA==", "client-key-data: {plantedsecret: 1}").as_bytes()).unwrap_err();
    let swapped = Kubeconfig::read(ADMIN.replace("Q0VSVA==", "cGxhbnRlZHNlY3JldA==").as_bytes()).unwrap();
    assert!(!format!("{swapped:?}").contains("112, 108"), "a key in the place of a certificate");
    let json = serde_json::to_string(&config).unwrap();
    for text in [format!("{config:?}"), json, format!("{broken} {broken:?}"), format!("{typed} {typed:?}"), format!("{:?}", new())] {
        assert!(!text.contains("planted") && !text.contains("cGxhbnRlZH") && !text.contains("NEW KEY"), "{text}");
    }
}

#[test]
fn data_wins_over_a_file_and_nothing_is_as_good_as_not_there() {
    let user = |fields: &str| Kubeconfig::read(format!("users: [{{name: u, user: {{{fields}}}}}]").as_bytes()).unwrap().users.remove(0);
    let both = user("client-certificate: a.crt, client-certificate-data: QQ==, client-key: a.key, client-key-data: ''");
    assert_eq!(both.client_certificate, Some(Material::Embedded { contents: b"A".to_vec() }));
    assert_eq!(both.client_key, Some(Secret::File { path: "a.key".to_owned() }));
    assert_eq!(user("client-certificate-data: '***'").client_certificate, Some(Material::NotBase64));
    assert_eq!(user("client-certificate-data: \"QQ\\n==\"").client_certificate, Some(Material::Embedded { contents: b"A".to_vec() }));
}

#[test]
fn what_is_no_kubeconfig_says_where() {
    assert_eq!(Kubeconfig::read(b"").unwrap().current(), None);
    assert_eq!(Kubeconfig::read(b"a: \xFF"), Err(KubeconfigError::NotText { offset: 3 }));
    assert!(matches!(Kubeconfig::read(b"users:\n- name: [1"), Err(KubeconfigError::NotYaml { line: 2.., .. })));
    assert!(matches!(Kubeconfig::read(&vec![b' '; MAX_BYTES + 1]), Err(KubeconfigError::TooLarge { .. })));
    let level = |level: usize| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(","));
    let bomb = (1..20).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |bomb, number| bomb + &level(number));
    assert!(matches!(Kubeconfig::read(bomb.as_bytes()), Err(KubeconfigError::NotYaml { .. })));
}

#[test]
fn a_new_certificate_leaves_every_other_byte_as_it_was() {
    let rewritten = String::from_utf8(new().put_into(ADMIN.as_bytes()).unwrap()).unwrap();
    assert_eq!(rewritten, ADMIN.replace("Q0VSVA==", "TkVXIENFUlQ=").replace("cGxhbnRlZHNlY3JldA==", "TkVXIEtFWQ=="));
    for (old, quoted) in [("Q0VSVA==", "\"Q0VSVA==\""), ("Q0VSVA==", "'Q0VSVA=='")] {
        let rewritten = new().put_into(ADMIN.replace(old, quoted).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rewritten).unwrap().matches("TkVXIENFUlQ=").count(), 1);
    }
    let json = r#"{"users": [{"name": "kubernetes-admin", "user": {"client-certificate-data": "QQ==", "client-key-data": "QQ=="}}], "é": 1}"#;
    let rewritten = String::from_utf8(new().put_into(json.as_bytes()).unwrap()).unwrap();
    assert_eq!(rewritten, json.replacen("QQ==", "TkVXIENFUlQ=", 1).replacen("QQ==", "TkVXIEtFWQ==", 1));
}

#[test]
fn what_cannot_be_replaced_alone_is_refused() {
    let put = |text: &str| new().put_into(text.as_bytes()).unwrap_err();
    assert_eq!(
        put(&ADMIN.replace("- name: other", "- name: kubernetes-admin")),
        RewriteError::User { user: "kubernetes-admin".to_owned(), found: 2 }
    );
    assert!(matches!(put("users: []"), RewriteError::User { found: 0, .. }));
    let file = ADMIN.replace("client-key-data: cGxhbnRlZHNlY3JldA==", "client-key: admin.key");
    assert!(matches!(put(&file), RewriteError::NotEmbedded { field: "client-key-data", .. }));
    let anchored = ADMIN.replace("Q0E=", "&both Q0E=").replace("Q0VSVA== #", "*both #");
    assert!(matches!(put(&anchored), RewriteError::NotAlone { field: "client-certificate-data", .. }));
    let block = ADMIN.replace("client-key-data: cGxhbnRlZHNlY3JldA==", "client-key-data: |\n      cGxhbnRlZH\n      NlY3JldA==");
    assert!(matches!(put(&block), RewriteError::NotAlone { field: "client-key-data", .. }));
}

proptest! {
    #[test]
    fn any_change_gives_a_kubeconfig_or_a_reason(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10)) {
        let mut file = ADMIN.as_bytes().to_vec();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let read = Kubeconfig::read(&file);
        let put = new().put_into(&file);
        prop_assert!(read.is_ok() || put.is_err());
    }
}
