//! What is hidden, opened: PKCS#5's second way (AES and triple DES, keys by PBKDF2), and PKCS#12's own (triple DES, RC2).

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::{TdesEde2, TdesEde3};
use rc2::Rc2;
use zeroize::Zeroizing;

use super::error::{Pkcs12Error, part};
use super::kdf::{Budget, Hash, Password, Purpose, derive, iterations};
use super::{Opened, oid};
use crate::renew::der::{self, Reader};

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const TRIPLE_DES: &str = "1.2.840.113549.3.7";

/// Opens what was hidden by the algorithm in `algorithm`, the contents of an `AlgorithmIdentifier`.
pub(super) fn open(algorithm: &[u8], hidden: &[u8], password: &Password, budget: &mut Budget) -> Result<Opened, Pkcs12Error> {
    let mut inside = Reader::new(algorithm);
    let kind = oid(&mut inside, "encryption algorithm")?;
    let parameters = inside.expect(der::SEQUENCE).map_err(part("encryption algorithm"))?.contents;
    if kind == PBES2 {
        return Pbes2::read(parameters)?.open(hidden, password, budget);
    }
    let cipher = match kind.as_str() {
        "1.2.840.113549.1.12.1.3" => Old { key_length: 24, open: cbc_of::<TdesEde3> },
        "1.2.840.113549.1.12.1.4" => Old { key_length: 16, open: cbc_of::<TdesEde2> },
        "1.2.840.113549.1.12.1.5" => Old { key_length: 16, open: cbc_of::<Rc2> },
        "1.2.840.113549.1.12.1.6" => Old { key_length: 5, open: cbc_of::<Rc2> },
        _ => return Err(Pkcs12Error::Cipher { algorithm: kind }),
    };
    cipher.open(parameters, hidden, password, budget)
}

/// A cipher with its key by PKCS#12's own way over SHA-1.
struct Old {
    key_length: usize,
    open: Open,
}

/// Key, initialization vector, what is hidden.
type Open = fn(&[u8], &[u8], &[u8]) -> Option<Vec<u8>>;

impl Old {
    fn open(&self, parameters: &[u8], hidden: &[u8], password: &Password, budget: &mut Budget) -> Result<Opened, Pkcs12Error> {
        let mut parameters = Reader::new(parameters);
        let salt = parameters.expect(der::OCTET_STRING).map_err(part("salt"))?.contents;
        let iterations = iterations(parameters.expect(der::INTEGER).map_err(part("iterations"))?.contents)?;
        let key = derive(Hash::sha1(), Purpose::Key, password, salt, iterations, self.key_length, budget)?;
        let iv = derive(Hash::sha1(), Purpose::Iv, password, salt, iterations, 8, budget)?;
        (self.open)(&key, &iv, hidden).map(Zeroizing::new).ok_or(Pkcs12Error::NotOpened)
    }
}

/// PKCS#5's second way.
struct Pbes2<'a> {
    salt: &'a [u8],
    iterations: u64,
    prf: pbkdf2::Algorithm,
    cipher: String,
    iv: &'a [u8],
}

impl<'a> Pbes2<'a> {
    fn read(parameters: &'a [u8]) -> Result<Self, Pkcs12Error> {
        let mut parameters = Reader::new(parameters);
        let mut kdf = Reader::new(parameters.expect(der::SEQUENCE).map_err(part("keyDerivationFunc"))?.contents);
        let function = oid(&mut kdf, "keyDerivationFunc")?;
        if function != PBKDF2 {
            return Err(Pkcs12Error::Cipher { algorithm: function });
        }
        let mut of_kdf = Reader::new(kdf.expect(der::SEQUENCE).map_err(part("PBKDF2-params"))?.contents);
        let salt = of_kdf.expect(der::OCTET_STRING).map_err(part("salt"))?.contents;
        let iterations = iterations(of_kdf.expect(der::INTEGER).map_err(part("iterations"))?.contents)?;
        of_kdf.optional(der::INTEGER).map_err(part("keyLength"))?;
        let prf = match of_kdf.optional(der::SEQUENCE).map_err(part("prf"))? {
            Some(prf) => prf_of(oid(&mut Reader::new(prf.contents), "prf")?)?,
            None => pbkdf2::PBKDF2_HMAC_SHA1,
        };
        let mut scheme = Reader::new(parameters.expect(der::SEQUENCE).map_err(part("encryptionScheme"))?.contents);
        let cipher = oid(&mut scheme, "encryptionScheme")?;
        let iv = scheme.expect(der::OCTET_STRING).map_err(part("encryptionScheme"))?.contents;
        Ok(Self { salt, iterations, prf, cipher, iv })
    }

    fn open(&self, hidden: &[u8], password: &Password, budget: &mut Budget) -> Result<Opened, Pkcs12Error> {
        let key_length = match self.cipher.as_str() {
            "2.16.840.1.101.3.4.1.2" => 16,
            "2.16.840.1.101.3.4.1.22" | TRIPLE_DES => 24,
            "2.16.840.1.101.3.4.1.42" => 32,
            _ => return Err(Pkcs12Error::Cipher { algorithm: self.cipher.clone() }),
        };
        // Each round gives 20 bytes or more.
        budget.spend(self.iterations.saturating_mul(2))?;
        let rounds = u32::try_from(self.iterations).ok().and_then(NonZeroU32::new).ok_or(Pkcs12Error::NoIterations)?;
        let mut key = Zeroizing::new(vec![0; key_length]);
        pbkdf2::derive(self.prf, rounds, self.salt, &password.narrow, &mut key);
        let opened = if self.cipher == TRIPLE_DES { cbc_of::<TdesEde3>(&key, self.iv, hidden) } else { aes(&key, self.iv, hidden) };
        opened.map(Zeroizing::new).ok_or(Pkcs12Error::NotOpened)
    }
}

fn prf_of(oid: String) -> Result<pbkdf2::Algorithm, Pkcs12Error> {
    match oid.as_str() {
        "1.2.840.113549.2.7" => Ok(pbkdf2::PBKDF2_HMAC_SHA1),
        "1.2.840.113549.2.9" => Ok(pbkdf2::PBKDF2_HMAC_SHA256),
        "1.2.840.113549.2.10" => Ok(pbkdf2::PBKDF2_HMAC_SHA384),
        "1.2.840.113549.2.11" => Ok(pbkdf2::PBKDF2_HMAC_SHA512),
        _ => Err(Pkcs12Error::Cipher { algorithm: oid }),
    }
}

fn cbc_of<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
    Decryptor::<C>::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(hidden).ok()
}

fn aes(key: &[u8], iv: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let iv: [u8; 16] = iv.try_into().ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let mut bytes = Zeroizing::new(hidden.to_vec());
    let opened = key.decrypt(&mut bytes, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(opened.to_vec())
}
