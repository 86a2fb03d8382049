//! Good input for whoever reads certificates, of every kind that there is, to be damaged: pyca/cryptography's own certificates and keys, those that the
//! vectors carry, and files put together from them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use trimtab_certs::pem;

use crate::{testbed, vectors};

/// Files over this many bytes are left out: what is damaged in them is seldom what is read.
const LARGEST: u64 = 12 * 1024;

/// Certificates as DER: RSA, ECDSA on every curve, Ed25519, Ed448 and DSA keys; every extension and kind of name; the broken ones of the collection
/// too. Those that kubeadm made come out of the vectors.
pub fn certificates() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let file = vectors::directory().join("certs/kubeadm_renew_by_release.json");
        let text = read(&file);
        // In JSON a line end is written as two characters, and a block begins behind a quote.
        let text = String::from_utf8_lossy(&text).replace("\\n", "\n").replace("-----BEGIN", "\n-----BEGIN");
        let mut all = blocks(text.as_bytes(), "CERTIFICATE");
        let from_vectors = all.len();
        for file in files(&collection("x509")) {
            let bytes = read(&file);
            if bytes.first() == Some(&0x30) {
                all.push(bytes);
            } else {
                all.extend(blocks(&bytes, "CERTIFICATE"));
            }
        }
        all.push(many_names());
        assert!(from_vectors > 50 && all.len() > from_vectors + 400, "{from_vectors} certificates in the vectors, {} in all", all.len());
        all
    })
}

/// Private keys as they lie in files: PKCS#1, PKCS#8, SEC1, encrypted ones, broken ones; RSA, ECDSA, Ed25519, DSA and others.
pub fn keys() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let folders = ["PKCS8", "Traditional_OpenSSL_Serialization", "PEM_Serialization", "EC", "Ed25519", "Ed448"];
        let all: Vec<Vec<u8>> = folders.iter().flat_map(|folder| files(&collection("asymmetric").join(folder))).map(|file| read(&file)).collect();
        assert!(all.len() > 80, "only {} keys", all.len());
        all
    })
}

/// Files with more than one thing in them: bundles, as a kubelet keeps both in one, with text between, in the wrong order, DER.
pub fn bundles() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let as_pem = |der: &Vec<u8>| pem::encode("CERTIFICATE", der).into_bytes();
        let (certificates, keys) = (certificates(), keys());
        let pairs = certificates.iter().step_by(5).zip(keys.iter().cycle());
        let mut all: Vec<Vec<u8>> = pairs.clone().map(|(der, key)| [as_pem(der), key.clone()].concat()).collect();
        all.extend(pairs.map(|(der, key)| [key.clone(), b"subject=/CN=x\r\n".to_vec(), as_pem(der)].concat()).take(40));
        all.extend(certificates.chunks(7).map(|chunk| chunk.iter().map(as_pem).collect::<Vec<_>>().concat()));
        all.extend(certificates.iter().step_by(40).map(|der| [b"\xEF\xBB\xBF".to_vec(), pem::encode("TRUSTED CERTIFICATE", der).into()].concat()));
        all.extend(certificates.iter().step_by(40).cloned());
        all
    })
}

/// Kubeconfigs with real certificates: in block and in flow style, as JSON, with anchors and aliases, with several clusters and users, by reference.
pub fn kubeconfigs() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let own: Vec<Vec<u8>> = certificates().iter().filter(|der| der.len() < 2000).step_by(60).cloned().collect();
        let all = own.iter().zip(keys().iter().filter(|key| key.starts_with(b"-----BEGIN")).cycle());
        let all = all.flat_map(|(der, key)| of_kubeconfig(&base64(pem::encode("CERTIFICATE", der).as_bytes()), &base64(key)));
        let all: Vec<Vec<u8>> = all.chain([SMALL.to_owned(), REFERENCES.to_owned()]).map(String::into_bytes).collect();
        assert!(all.len() > 20, "only {} kubeconfigs", all.len());
        all
    })
}

/// What `kubectl get … -o json` prints of Secrets, `ConfigMaps`, webhooks, `APIServices` and custom resource definitions.
pub fn dumps() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let small = certificates().iter().filter(|der| der.len() < 2000).step_by(60);
        let all = small.zip(keys().iter().cycle()).map(|(der, key)| of_dump(&pem::encode("CERTIFICATE", der), &base64(key)));
        all.map(String::into_bytes).collect()
    })
}

const SMALL: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E= # the first
    server: https://192.0.2.10:6443
  name: kubernetes
contexts: [{context: {cluster: kubernetes, user: admin}, name: admin@kubernetes}]
current-context: admin@kubernetes
users:
- name: admin
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
";

const REFERENCES: &str = "apiVersion: v1
kind: Config
current-context: default-context
clusters:
- {name: default-cluster, cluster: {certificate-authority: /etc/kubernetes/pki/ca.crt, server: 'https://192.0.2.10:6443'}}
contexts:
- {name: default-context, context: {cluster: default-cluster, namespace: default, user: default-auth}}
users:
- {name: default-auth, user: {client-certificate: pki/kubelet-client-current.pem, client-key: pki/kubelet-client-current.pem}}
- {name: other, user: {token: abc, exec: {command: aws, args: [eks, get-token]}}}
";

fn of_kubeconfig(certificate: &str, key: &str) -> [String; 4] {
    let block = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {certificate}\n    server: https://192.0.2.10:6443\n  name: kubernetes\ncontexts:\n- context:\n    \
         cluster: kubernetes\n    user: kubernetes-admin\n  name: kubernetes-admin@kubernetes\ncurrent-context: kubernetes-admin@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n\
         - name: kubernetes-admin\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    );
    let anchors = format!(
        "apiVersion: v1\nx-ca: &ca {certificate}\nx-user: &user\n  client-certificate-data: *ca\n  client-key-data: |\n    {key}\nclusters:\n- cluster: &one {{certificate-authority-data: *ca, server: https://192.0.2.10:6443}}\n  \
         name: a\n- {{name: b, cluster: *one}}\ncontexts:\n- {{name: a, context: {{cluster: a, user: admin}}}}\ncurrent-context: a\nusers:\n- name: admin\n  user: *user\n- name: other\n  user: {{<<: *user}}\n"
    );
    let json = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{{\"name\":\"a\",\"cluster\":{{\"certificate-authority-data\":\"{certificate}\",\"server\":\"https://192.0.2.10\"}}}}],\
         \"contexts\":[{{\"name\":\"a\",\"context\":{{\"cluster\":\"a\",\"user\":\"u\"}}}}],\"current-context\":\"a\",\
         \"users\":[{{\"name\":\"u\",\"user\":{{\"client-certificate-data\":\"{certificate}\",\"client-key-data\":\"{key}\"}}}}]}}"
    );
    let flow = format!(
        "# ours\r\n{{apiVersion: v1, clusters: [{{name: a, cluster: {{certificate-authority-data: {certificate}}}}}],\r\n contexts: [{{name: a, context: {{cluster: a, user: u}}}}],\r\n current-context: a,\r\n \
         users: [{{name: u, user: {{client-certificate-data: \"{certificate}\", client-key-data: '{key}'}}}}]}}\r\n"
    );
    [block, anchors, json, flow]
}

fn of_dump(certificate: &str, key: &str) -> String {
    let (data, text) = (base64(certificate.as_bytes()), certificate.replace('\n', "\\n"));
    format!(
        "{{\"kind\":\"List\",\"items\":[{{\"kind\":\"Secret\",\"type\":\"kubernetes.io/tls\",\"metadata\":{{\"namespace\":\"a\",\"name\":\"t\"}},\"data\":{{\"tls.crt\":\"{data}\",\"tls.key\":\"{key}\",\"ca.crt\":\"{data}\"}}}},\
         {{\"kind\":\"ConfigMap\",\"metadata\":{{\"namespace\":\"a\",\"name\":\"c\"}},\"data\":{{\"ca.crt\":\"{text}\"}}}},\
         {{\"kind\":\"ValidatingWebhookConfiguration\",\"metadata\":{{\"name\":\"w\"}},\"webhooks\":[{{\"name\":\"x\",\"clientConfig\":{{\"caBundle\":\"{data}\"}}}}]}},\
         {{\"kind\":\"APIService\",\"metadata\":{{\"name\":\"v1.x\"}},\"spec\":{{\"caBundle\":\"{data}\"}}}},\
         {{\"kind\":\"CustomResourceDefinition\",\"metadata\":{{\"name\":\"x\"}},\"spec\":{{\"conversion\":{{\"webhook\":{{\"clientConfig\":{{\"caBundle\":\"{data}\"}}}}}}}}}}]}}"
    )
}

/// As one line.
fn base64(bytes: &[u8]) -> String {
    let block = pem::encode("A", bytes);
    block.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn blocks(text: &[u8], label: &str) -> Vec<Vec<u8>> {
    pem::blocks(text).flatten().filter(|block| block.label == label).map(|block| block.contents).collect()
}

/// A certificate with a thousand names: one of the vectors', with its extensions replaced. Nobody signed it.
fn many_names() -> Vec<u8> {
    let name = |number: u32| wrapped(0x82, format!("node-{number}.example.test").as_bytes());
    let names = wrapped(0x30, &(0..1000).flat_map(name).collect::<Vec<u8>>());
    let extension = wrapped(0x30, &[&[0x06, 0x03, 0x55, 0x1D, 0x11][..], &wrapped(0x04, &names)].concat());
    let algorithm = wrapped(0x30, &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]);
    let common_name = wrapped(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x03][..], &wrapped(0x13, b"many")].concat());
    let subject = wrapped(0x30, &wrapped(0x31, &common_name));
    let validity = wrapped(0x30, &[wrapped(0x17, b"260101000000Z"), wrapped(0x17, b"270101000000Z")].concat());
    let point = [&[0x00, 0x04][..], &[1; 64]].concat();
    let curve = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    let key = wrapped(0x30, &[wrapped(0x30, &curve), wrapped(0x03, &point)].concat());
    let version = wrapped(0xA0, &[0x02, 0x01, 0x02]);
    let serial = vec![0x02, 0x01, 0x07];
    let extensions = wrapped(0xA3, &wrapped(0x30, &extension));
    let body = wrapped(0x30, &[version, serial, algorithm.clone(), subject.clone(), validity, subject, key, extensions].concat());
    wrapped(0x30, &[body, algorithm, wrapped(0x03, &[0; 9])].concat())
}

/// DER's tag and length before contents of less than 16 MiB.
fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).expect("a small value").to_be_bytes();
    let head = match contents.len() {
        0..0x80 => vec![tag, length[3]],
        0x80..0x100 => vec![tag, 0x81, length[3]],
        0x100..0x1_0000 => vec![tag, 0x82, length[2], length[3]],
        _ => vec![tag, 0x83, length[1], length[2], length[3]],
    };
    [&head, contents].concat()
}

/// A folder of pyca/cryptography's vectors, which the test bed installs.
fn collection(name: &str) -> PathBuf {
    testbed::folder().join("venv/cryptography_vectors").join(name)
}

/// Every file below that ends like a certificate or a key, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}; run `make testbed`", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "pem" || ending == "crt" || ending == "der")
            && path.metadata().is_ok_and(|about| about.len() < LARGEST)
    };
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(is_one).collect()
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use trimtab_certs::certificate::{Certificate, certificates as found_in};
    use trimtab_certs::inspect::Inspection;

    use super::*;

    #[test]
    fn there_are_certificates_of_every_kind_of_key_and_one_with_a_thousand_names() {
        let read: Vec<Certificate> = certificates().iter().flat_map(|der| found_in(der)).filter_map(|found| found.certificate.ok()).collect();
        for kind in ["RSA-2048", "ECDSA-P256", "ECDSA-P384", "Ed25519", "DSA"] {
            assert!(read.iter().any(|certificate| certificate.public_key.kind.to_string() == kind), "{kind}");
        }
        assert_eq!(read.last().unwrap().extensions.subject_alt_name.as_ref().unwrap().len(), 1000);
    }

    #[test]
    fn every_kubeconfig_and_dump_is_good_before_it_is_damaged() {
        for text in kubeconfigs() {
            let inspection = Inspection::of_file("a.conf", text);
            assert_eq!(inspection.unread.len(), 0, "{inspection:?}");
            assert!(inspection.items.len() + inspection.references.len() >= 2, "{}", String::from_utf8_lossy(text));
        }
        for text in dumps() {
            assert_eq!(Inspection::of_dump("dump", text).items.len(), 6);
        }
    }
}
