//! What real kubeadm shows of a PKI, beside the forecast of it.

use jiff::Timestamp;
use serde_json::Value;
use trimtab_certs::kubeadm::{Pki, check_expiration};
use trimtab_core::KubeVersion;
use trimtab_kit::kubeadm::{CERTIFICATES_DIR, Kubernetes};

pub fn kube(version: &str) -> KubeVersion {
    version.parse().unwrap()
}

pub fn seen(node: &Kubernetes) -> Pki {
    Pki::of_files(&node.files(), CERTIFICATES_DIR)
}

pub fn stdout(node: &Kubernetes, arguments: &[&str]) -> String {
    let output = node.kubeadm(arguments);
    assert!(output.status.success(), "kubeadm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// kubeadm looks at its clock somewhere between our two looks at ours.
fn same_table(node: &Kubernetes, version: &str) {
    let before = Timestamp::now();
    let shown = stdout(node, &["certs", "check-expiration"]);
    let pki = seen(node);
    let forecast = |now| check_expiration(&pki, kube(version), now).stdout.unwrap();
    let forecasts = [forecast(before), forecast(Timestamp::now())];
    assert!(forecasts.contains(&shown), "{version}: kubeadm shows\n{shown}\nforecast\n{}", forecasts[0]);
}

fn same_json(node: &Kubernetes, version: &str) {
    let shown: Value = serde_json::from_str(&stdout(node, &["certs", "check-expiration", "-o", "json"])).unwrap();
    let forecast = check_expiration(&seen(node), kube(version), Timestamp::now()).to_json();
    for list in ["certificates", "certificateAuthorities"] {
        let (shown, forecast) = (shown[list].as_array().unwrap(), forecast[list].as_array().unwrap());
        assert_eq!(shown.len(), forecast.len(), "{version}");
        for (shown, forecast) in shown.iter().zip(forecast) {
            let (mut shown, mut forecast) = (shown.clone(), forecast.clone());
            let residual = |entry: &mut Value| entry["residualTime"].take().as_i64().unwrap();
            let (theirs, ours) = (residual(&mut shown), residual(&mut forecast));
            assert_eq!(shown, forecast, "{version}");
            assert!((theirs - ours).abs() <= 120, "{version}: {theirs} and {ours}");
        }
    }
}

/// The table comes with the JSON since 1.30; before it is all there is.
pub fn same_as_shown(node: &Kubernetes, version: &str) {
    same_table(node, version);
    if kube(version).minor() >= 30 {
        same_json(node, version);
    }
}
