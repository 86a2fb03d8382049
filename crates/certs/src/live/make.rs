//! The new contents of an item's files, verified before anything of it touches the disk.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::Error;
use crate::key::{KeyPem, PrivateKey};
use crate::kubeadm::Item;
use crate::kubeconfig::{Kubeconfig, Material, NewIdentity, Secret};
use crate::pem;
use crate::renew::{CertificateAuthority, NewSerial, renewed, system_random, verify_chain};
use crate::renewal::Renew;
use crate::renewal::seen::first_certificate;

/// What is in a file that may hold a private key: overwritten when it goes.
pub(super) type Contents = Zeroizing<Vec<u8>>;

/// A certificate file and the key that belongs to it, wherever they come from.
pub(super) struct Credentials {
    /// Everything where the certificate is: it may not be alone.
    pub(super) certificates: Vec<u8>,
    pub(super) key: PrivateKey,
    /// The key as it is written.
    pub(super) key_text: Contents,
}

impl Credentials {
    /// Of the files of a pair, or of the kubeconfig.
    pub(super) fn of(item: Item, contents: &[Contents]) -> Result<Self, Error> {
        let (certificates, key_text) = match contents {
            [certificate, key] => (certificate.to_vec(), key.clone()),
            [kubeconfig] => embedded(kubeconfig).ok_or_else(|| unusable(item, "the kubeconfig has no certificate and key in it"))?,
            _ => return Err(unusable(item, "it has neither one file nor two")),
        };
        Ok(Self { certificates, key: PrivateKey::from_pem(&key_text)?, key_text })
    }

    /// The certificate that is used, in DER.
    pub(super) fn certificate_der(&self, item: Item) -> Result<Vec<u8>, Error> {
        first_certificate(&self.certificates).map(|certificate| certificate.der().to_vec()).ok_or_else(|| unusable(item, "no certificate in it"))
    }

    fn is_matching(&self) -> bool {
        first_certificate(&self.certificates).is_some_and(|certificate| self.key.matches(&certificate.public_key.spki))
    }
}

fn unusable(item: Item, problem: &str) -> Error {
    Error::BackupNotUsable { item, problem: problem.to_owned() }
}

fn embedded(kubeconfig: &[u8]) -> Option<(Vec<u8>, Contents)> {
    let config = Kubeconfig::read(kubeconfig).ok()?;
    let (_, _, user) = config.current()?;
    match (&user.client_certificate, &user.client_key) {
        (Some(Material::Embedded { contents: certificates }), Some(Secret::Embedded { contents: key })) => {
            Some((certificates.clone(), Zeroizing::new(key.clone())))
        }
        _ => None,
    }
}

/// Whether certificate and key in these files belong together.
pub(super) fn is_matching(item: Item, contents: &[Contents]) -> bool {
    Credentials::of(item, contents).is_ok_and(|credentials| credentials.is_matching())
}

/// Signs the successor that `action` plans, with the dates that it says.
pub(super) fn successor(action: &Renew, old: &Credentials, ca: &Credentials, now: Timestamp) -> Result<Successor, Error> {
    if action.item.authority() != Some(action.authority) {
        return Err(Error::NotAsPlanned { item: action.item, problem: format!("{} does not sign it", action.authority) });
    }
    let old_der = old.certificate_der(action.item)?;
    let ca = CertificateAuthority::new(&ca.certificate_der(action.authority)?, ca.key.clone(), now)?;
    let key = match action.new_key {
        Some(algorithm) => PrivateKey::generate(algorithm)?,
        None => old.key.clone(),
    };
    let made = renewed(&old_der, &ca, &action.policy, &key, action.planned_at, NewSerial::draw(&mut system_random)?)?;
    if (made.not_before, made.not_after) != (action.not_before, action.not_after) {
        let problem = format!("valid from {} to {} instead of {} to {}", made.not_before, made.not_after, action.not_before, action.not_after);
        return Err(Error::NotAsPlanned { item: action.item, problem });
    }
    // Not only when it was planned, but now.
    let problems = verify_chain(&made.certificate_der, ca.certificate_der(), now)?;
    if !problems.is_empty() {
        return Err(Error::NotVerified { problems });
    }
    let new_key = action.new_key.map(|_| made.key);
    Ok(Successor { item: action.item, certificate_der: made.certificate_der, new_key })
}

/// A certificate and the key that belongs to it, to be put in the place of old ones.
pub(super) struct Successor {
    pub(super) item: Item,
    pub(super) certificate_der: Vec<u8>,
    /// None where the old one stays.
    pub(super) new_key: Option<PrivateKey>,
}

impl Successor {
    /// The new contents of the files, in their order, certificate first. A key that stays is what it was, byte for byte.
    pub(super) fn contents(&self, old: &Credentials, files: &[Contents]) -> Result<Vec<Contents>, Error> {
        let certificates = bundle(&self.certificate_der, &old.certificates).into_bytes();
        let key_text = match &self.new_key {
            Some(key) => Zeroizing::new(key_pem(key, &old.key)?.as_bytes().to_vec()),
            None => old.key_text.clone(),
        };
        let new = match files {
            [kubeconfig] => vec![self.kubeconfig(kubeconfig, &certificates, &key_text)?],
            _ => vec![Zeroizing::new(certificates), key_text],
        };
        let read_again = Credentials::of(self.item, &new)?;
        let is_it = read_again.certificate_der(self.item)? == self.certificate_der && read_again.is_matching();
        if is_it { Ok(new) } else { Err(Error::NotAsPlanned { item: self.item, problem: "read again, it is another one".to_owned() }) }
    }

    fn kubeconfig(&self, old: &Contents, certificate_pem: &[u8], key_pem: &[u8]) -> Result<Contents, Error> {
        let not_rewritten = |problem: String| Error::KubeconfigNotRewritten { item: self.item, problem };
        let config = Kubeconfig::read(old).map_err(|error| not_rewritten(error.to_string()))?;
        let (_, _, user) = config.current().ok_or_else(|| not_rewritten("its current context is missing".to_owned()))?;
        let identity = NewIdentity { user: &user.name, certificate_pem, key_pem };
        identity.put_into(old).map(Zeroizing::new).map_err(|error| not_rewritten(error.to_string()))
    }
}

/// The new certificate in the place of the first one, and whatever followed it.
fn bundle(new_der: &[u8], old: &[u8]) -> String {
    let is_certificate = |block: &pem::Block| block.label == "CERTIFICATE" && !block.encrypted && block.skipped_by_go.is_none();
    let rest = pem::blocks(old).flatten().filter(is_certificate).skip(1);
    rest.fold(pem::encode("CERTIFICATE", new_der), |text, block| text + &pem::encode("CERTIFICATE", &block.contents))
}

/// In the form of the old one, where its algorithm has it.
fn key_pem(key: &PrivateKey, old: &PrivateKey) -> Result<KeyPem, Error> {
    key.to_pem(old.format()).or_else(|_| key.to_pem(key.format()))
}
