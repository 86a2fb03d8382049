//! Certificates made for one test: a CA, a server and client certificates; never written anywhere but into the test's own folder.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A CA with what it signed for loopback.
#[derive(Debug, Clone)]
pub struct Pki {
    pub ca: String,
    pub server: Pair,
    pub client: Pair,
    /// The client certificate, but its time is over.
    pub expired_client: Pair,
}

impl Pki {
    pub fn make() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "trimtab test CA");
        let ca = params.self_signed(&key).expect("a CA can be made").pem();
        let issuer = Issuer::new(params, key);
        let server = sign(&issuer, "server", |params| {
            params.subject_alt_names = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names").subject_alt_names;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        });
        let client_use = |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = sign(&issuer, "root", client_use);
        let expired_client = sign(&issuer, "root", |params| {
            client_use(params);
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        });
        Self { ca, server, client, expired_client }
    }

    /// As `ca.crt`, `server.{crt,key}`, `client.{crt,key}`.
    pub fn write_to(&self, dir: &Path) {
        let files = [
            ("ca.crt", &self.ca),
            ("server.crt", &self.server.certificate),
            ("server.key", &self.server.key),
            ("client.crt", &self.client.certificate),
            ("client.key", &self.client.key),
        ];
        for (name, text) in files {
            std::fs::write(dir.join(name), text).expect("a file of the test's own folder can be written");
        }
    }
}

fn sign(issuer: &Issuer<'_, KeyPair>, name: &str, shape: impl Fn(&mut CertificateParams)) -> Pair {
    let key = KeyPair::generate().expect("a key can be made");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    shape(&mut params);
    let certificate = params.signed_by(&key, issuer).expect("the CA can sign").pem();
    Pair { certificate, key: key.serialize_pem() }
}
