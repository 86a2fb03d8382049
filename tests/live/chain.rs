//! `verify_chain` beside Go's `crypto/x509` and openssl: critical extensions, constraints of names, path lengths.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use trimtab_certs::renew::{ChainProblem, verify_chain};

/// What the CA says, what the leaf says, who refuses: Go (and so we), openssl.
struct Case {
    name: &'static str,
    ca: &'static str,
    leaf: &'static str,
    go: Judgement,
    openssl: Judgement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Takes,
    Refuses,
}

use Judgement::{Refuses, Takes};

const fn case(name: &'static str, ca: &'static str, leaf: &'static str, go: Judgement, openssl: Judgement) -> Case {
    Case { name, ca, leaf, go, openssl }
}

const UNKNOWN: &str = "1.3.6.1.4.1.99999.1 = critical, ASN1:UTF8String:x";
const DNS: &str = "nameConstraints = critical, permitted;DNS:a.test";
const IP: &str = "nameConstraints = critical, permitted;IP:10.0.0.0/255.0.0.0";
const MAIL: &str = "nameConstraints = critical, permitted;email:a.test";
const NO_URI: &str = "nameConstraints = critical, excluded;URI:bad.test";
const DIRECTORY: &str = "nameConstraints = critical, permitted;dirName:directory";

const CASES: &[Case] = &[
    case("plain", "", "subjectAltName = DNS:a.test", Takes, Takes),
    case("unknown and critical in the leaf", "", UNKNOWN, Refuses, Refuses),
    case("unknown and critical in the ca", UNKNOWN, "", Refuses, Refuses),
    case("unknown and not critical", "", "1.3.6.1.4.1.99999.1 = ASN1:UTF8String:x", Takes, Takes),
    case("known and critical", "", "certificatePolicies = critical, 1.2.3.4\nextendedKeyUsage = critical, clientAuth", Takes, Takes),
    case("critical revocation lists", "", "crlDistributionPoints = critical, URI:http://crl.test/x", Takes, Takes),
    case("critical names of which none is known", "", "subjectAltName = critical, otherName:1.2.3.4;UTF8:x", Refuses, Takes),
    case("critical names of which one is known", "", "subjectAltName = critical, otherName:1.2.3.4;UTF8:x, DNS:a.test", Takes, Takes),
    case("a critical key identifier", "", "2.5.29.14 = critical, DER:04:01:01", Refuses, Refuses),
    case("critical access to authorities", "", "authorityInfoAccess = critical, OCSP;URI:http://ocsp.test", Refuses, Refuses),
    case("a name within", DNS, "subjectAltName = DNS:x.a.test", Takes, Takes),
    case("the name itself, in capitals", DNS, "subjectAltName = DNS:A.TEST", Takes, Takes),
    case("a name outside", DNS, "subjectAltName = DNS:x.a.test, DNS:b.test", Refuses, Refuses),
    case("a name that only ends alike", DNS, "subjectAltName = DNS:ba.test", Refuses, Refuses),
    case("a star within", DNS, "subjectAltName = DNS:*.a.test", Takes, Takes),
    case("a kind that nothing is said of", DNS, "subjectAltName = IP:192.0.2.1", Takes, Takes),
    case("below a dot alone", "nameConstraints = permitted;DNS:.a.test", "subjectAltName = DNS:a.test", Refuses, Refuses),
    case("below a dot", "nameConstraints = permitted;DNS:.a.test", "subjectAltName = DNS:x.a.test", Takes, Takes),
    case("excluded", "nameConstraints = excluded;DNS:a.test", "subjectAltName = DNS:x.a.test", Refuses, Refuses),
    case("not excluded", "nameConstraints = excluded;DNS:a.test", "subjectAltName = DNS:b.test", Takes, Takes),
    case("a star over what is excluded", "nameConstraints = excluded;DNS:x.a.test", "subjectAltName = DNS:*.a.test", Refuses, Takes),
    case(
        "permitted and excluded",
        "nameConstraints = permitted;DNS:a.test, excluded;DNS:x.a.test",
        "subjectAltName = DNS:x.a.test",
        Refuses,
        Refuses,
    ),
    case("an address within", IP, "subjectAltName = IP:10.96.0.1", Takes, Takes),
    case("an address outside", IP, "subjectAltName = IP:192.0.2.1", Refuses, Refuses),
    case("an address of the other family", IP, "subjectAltName = IP:fd00::1", Refuses, Refuses),
    case("an address within, of 16 bytes", "nameConstraints = permitted;IP:fd00::/ff00::", "subjectAltName = IP:fd00::1", Takes, Takes),
    case("mail within", MAIL, "subjectAltName = email:u@a.test", Takes, Takes),
    case("mail outside", MAIL, "subjectAltName = email:u@b.test", Refuses, Refuses),
    case("mail of exactly one", "nameConstraints = permitted;email:u@a.test", "subjectAltName = email:v@a.test", Refuses, Refuses),
    case("a uri that is not excluded", NO_URI, "subjectAltName = URI:https://u:p@good.test:1/x", Takes, Takes),
    case("a uri that is excluded", NO_URI, "subjectAltName = URI:https://bad.test/x", Refuses, Refuses),
    case("a uri without a host", DNS, "subjectAltName = URI:urn:x:y", Refuses, Takes),
    case("a uri with an address", DNS, "subjectAltName = URI:https://10.0.0.1/", Refuses, Takes),
    case("constraints on directory names", DIRECTORY, "subjectAltName = DNS:a.test", Refuses, Refuses),
    case("no length below", "basicConstraints = critical, CA:TRUE, pathlen:0", "subjectAltName = DNS:a.test", Takes, Takes),
    case("no length below, and a ca", "basicConstraints = critical, CA:TRUE, pathlen:0", "basicConstraints = critical, CA:TRUE", Takes, Takes),
];

#[test]
fn what_go_refuses_is_refused_and_what_it_takes_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let made: Vec<PathBuf> = CASES.iter().enumerate().map(|(at, case)| make(&folder.path().join(at.to_string()), case)).collect();
    let go = go(folder.path(), &made);
    assert_eq!(go.len(), CASES.len());
    let now = Timestamp::from_second(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for ((case, folder), go) in CASES.iter().zip(&made).zip(go) {
        let ours = verify_chain(&der(folder, "leaf"), &der(folder, "ca"), now).unwrap();
        let openssl = openssl(folder, &["verify", "-CAfile", "ca.crt", "leaf.crt"]);
        let judged = [judgement(ours.is_empty()), judgement(go == "ok"), judgement(openssl.is_ok())];
        if judged != [case.go, case.go, case.openssl] {
            wrong
                .push(format!("{}: we, Go, openssl {judged:?}, expected {:?} {:?}; {ours:?} / {go} / {openssl:?}", case.name, case.go, case.openssl));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_that_may_not_be_is_told_with_the_constraint() {
    let folder = tempfile::tempdir().unwrap();
    let excluded = case("", "nameConstraints = excluded;IP:10.0.0.0/255.0.0.0", "subjectAltName = IP:10.96.0.1, DNS:a.test", Refuses, Refuses);
    let folder = make(&folder.path().join("case"), &excluded);
    let problems = verify_chain(&der(&folder, "leaf"), &der(&folder, "ca"), Timestamp::from_second(4_000_000_000).unwrap()).unwrap();
    let name = ChainProblem::NameExcluded { name: "IP:10.96.0.1".to_owned(), by: "IP:10.0.0.0/255.0.0.0".to_owned() };
    assert!(problems.contains(&name), "{problems:?}");
}

fn judgement(takes: bool) -> Judgement {
    if takes { Takes } else { Refuses }
}

/// `ca.crt` and `leaf.crt` in a folder of their own.
fn make(folder: &Path, case: &Case) -> PathBuf {
    fs::create_dir(folder).unwrap();
    let ca = if case.ca.contains("basicConstraints") { "" } else { "basicConstraints = critical, CA:TRUE\n" };
    let config = format!(
        "[req]\ndistinguished_name = name\n[name]\n[ca]\n{ca}{}\n[leaf]\n{}\n[directory]\nO = an organization\n",
        case.ca,
        if case.leaf.is_empty() { "keyUsage = digitalSignature" } else { case.leaf }
    );
    fs::write(folder.join("all.cnf"), config).unwrap();
    let made = |arguments: &str| {
        openssl(folder, &arguments.split(' ').collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{}: openssl {arguments}: {error}", case.name));
    };
    for name in ["ca", "leaf"] {
        made(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
    }
    made("req -new -x509 -key ca.key -config all.cnf -extensions ca -subj /CN=ca -days 30 -out ca.crt");
    made("req -new -key leaf.key -config all.cnf -subj /O=someone -out leaf.csr");
    made("x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -extfile all.cnf -extensions leaf -out leaf.crt");
    for name in ["ca", "leaf"] {
        made(&format!("x509 -in {name}.crt -outform DER -out {name}.der"));
    }
    folder.to_owned()
}

fn der(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(format!("{name}.der"))).unwrap()
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A line for each folder.
fn go(work: &Path, folders: &[PathBuf]) -> Vec<String> {
    let program = work.join("verify");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../live/chain/verify.go");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(source).output();
    let built = built.unwrap_or_else(|error| panic!("this test needs go, with which the servers of the test bed are built: {error}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let output = Command::new(program).args(folders).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}
