//! Which certificates real servers show, and what is said where they show none.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use trimtab_certs::Error;
use trimtab_certs::certificate::{Certificate, certificates};
use trimtab_certs::key::PrivateKey;
use trimtab_certs::live::Probe;
use trimtab_certs::served::ServedBesideFile;
use trimtab_kit::etcd::{Cluster, Options, VERSIONS};
use trimtab_kit::pki::Pki;

fn read(pem: &str) -> Certificate {
    certificates(pem.as_bytes()).remove(0).certificate.unwrap()
}

fn port_of(endpoint: &str) -> u16 {
    endpoint.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn an_etcd_that_wants_a_client_certificate_shows_its_own_with_and_without_one() {
    for version in [VERSIONS[0], VERSIONS[3]] {
        let pki = Pki::make();
        let cluster = Cluster::start(&Options::new(version, 1).with_pki(pki.clone()));
        let port = port_of(&cluster.endpoints()[0]);
        let (file, other) = (read(&pki.server.certificate), read(&Pki::make().server.certificate));
        let identity = || (vec![read(&pki.client.certificate)], PrivateKey::from_pem(pki.client.key.as_bytes()).unwrap());
        let (chain, key) = identity();
        for probe in [Probe::new("127.0.0.1", port), Probe::new("127.0.0.1", port).with_server_name("localhost").with_identity(&chain, key)] {
            assert!(!format!("{probe:?}").contains("BEGIN"));
            let served = probe.run().unwrap();
            assert_eq!(served.beside(&file), ServedBesideFile::Same { not_after: file.not_after }, "{version}");
            // Renewed in the file, and not loaded.
            assert!(matches!(served.beside(&other), ServedBesideFile::Older { .. }), "{version}: {}", served.beside(&other));
            assert!(matches!(served.beside(&read(&pki.client.certificate)), ServedBesideFile::Another { .. }), "{version}");
        }
    }
}

#[test]
fn whoever_speaks_no_tls_or_is_silent_is_told_so_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let probe = Probe::new("127.0.0.1", port).with_deadline(Duration::from_millis(500));
    let begun = Instant::now();
    assert_eq!(probe.run().unwrap_err(), Error::ProbeDeadline { endpoint: format!("127.0.0.1:{port}"), after_ms: 500 });
    assert!(begun.elapsed() < Duration::from_secs(20));
    let talker = std::thread::spawn(move || {
        // The first one is the probe from before.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert!(matches!(Probe::new("127.0.0.1", port).run(), Err(Error::NoTls { .. })));
    talker.join().unwrap();
    assert!(matches!(Probe::new("127.0.0.1", port).run(), Err(Error::Unreachable { .. })));
    assert!(matches!(Probe::new("127.0.0.1", port).with_server_name("no name").run(), Err(Error::InvalidProbe { .. })));
}
