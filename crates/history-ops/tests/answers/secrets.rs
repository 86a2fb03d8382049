//! Nothing of a kubeconfig's values stands in an error.

use serde_json::json;
use trimtab_history_ops::Policy;
use trimtab_history_ops::live::Cluster;

use super::fake::{Fake, fresh, kubeconfig, run};

const PLANTED: &str = "s3cret-planted";

async fn trouble(path: &std::path::Path) -> String {
    match Cluster::connect(Some(path), None).await {
        Err(error) => error.to_string(),
        Ok(cluster) => cluster.observe(&Policy::new("1.34".parse().unwrap()), |_| ()).await.unwrap_err().to_string(),
    }
}

#[test]
fn a_kubeconfig_that_is_none_shows_where_and_nothing_of_what_is_beside() {
    for (place, text) in [
        ("line 7, column 16", "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: s3cret-planted\n    tokenFile: [oops]\n"),
        ("line 5, column 4", "users:\n- name: admin\n  user:\n    password: s3cret-planted\n   bad: x\n"),
        ("line 4, column 12", "users:\n- name: admin\n  user:\n    token: [s3cret-planted]\n"),
    ] {
        let path = fresh("broken");
        std::fs::write(&path, text).unwrap();
        let said = run(trouble(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!said.contains(PLANTED) && said.contains(place) && said.contains(&path.display().to_string()), "{said}");
    }
}

#[test]
fn what_a_credential_plugin_prints_is_not_repeated() {
    for (script, told) in [
        (
            "echo '{kind: ExecCredential, apiVersion: client.authentication.k8s.io/v1, status: {token: s3cret-planted, clientKeyData: [x]}}'",
            "ExecCredential",
        ),
        ("echo token=s3cret-planted; exit 3", "exit status: 3"),
    ] {
        let user =
            json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}});
        let said = run(trouble(&kubeconfig("http://127.0.0.1:1", &user)));
        assert!(!said.contains(PLANTED) && said.contains(told), "{said}");
    }
}

/// Its first token ran out already, so that it is asked again before the first request.
#[test]
fn a_credential_plugin_that_fails_when_it_is_asked_again_shows_nothing_either() {
    let fake = Fake::start(|_, _| None);
    let asked = fresh("asked");
    let credential = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "first", "expirationTimestamp": "2020-01-01T00:00:00Z"}});
    let script = format!("if [ -e {0} ]; then echo token=s3cret-planted; exit 3; fi; touch {0}; echo '{credential}'", asked.display());
    let user =
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}});
    let said = run(trouble(&kubeconfig(&fake.url(), &user)));
    assert!(said.starts_with("the API server") && !said.contains(PLANTED) && said.contains("exit status: 3"), "{said}");
}
