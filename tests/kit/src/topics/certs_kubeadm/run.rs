//! What kubeadm shows and does where files are there already.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_certs::kubeadm::check_expiration::check_expiration_with;
use trimtab_certs::kubeadm::command::{Output, Verb};
use trimtab_certs::kubeadm::init_phase::{self, Phase};
use trimtab_certs::kubeadm::renew::{self, Outcome, Renewal, Renewed};
use trimtab_certs::kubeadm::write::{Umask, Write};
use trimtab_certs::kubeadm::{Item, Pki};
use trimtab_core::KubeVersion;

use super::given::{command, observed, old_facts, parsed, refused, source, usual};
use super::made::{config, dates_are, facts_are, slack, usual_mode};
use crate::topics::{equal, version};

pub fn check(input: &Value, expected: &Value) -> Result<(), String> {
    let version = version(input)?;
    let now: Timestamp = parsed(input, "now")?;
    let Some(command) = command(input, version) else { return refused(expected) };
    let Verb::CheckExpiration(output) = &command.verb else { return Err(format!("another command: {command:?}")) };
    let pki = observed(Pki::default(), input, &command)?;
    let source = source(input, &command)?;
    // kubeadm looks at the clock some parts of a second to some seconds after the case's own look.
    let shows = (0..10).map(|tenths| check_expiration_with(&pki, &source, output, version, now + SignedDuration::from_millis(500 * tenths)));
    let mut wrong = Err("no answer".to_owned());
    for show in shows {
        wrong = equal(&json!(show.exit_code), &expected["rc"]).and_then(|()| match (output, expected.get("json")) {
            (_, Some(wanted)) => expiration_is(&show.to_json(), wanted),
            (Output::Other(template), None) if template == "jsonpath={.certificates[*].name}" => {
                let names: Vec<_> = show.certificates.iter().map(|entry| entry.item.name()).collect();
                equal(&json!(names.join(" ")), &expected["stdout"])
            }
            (Output::Other(_), None) => Ok(()),
            (Output::Text | Output::Json | Output::Yaml, None) => equal(&json!(show.stdout), &expected["stdout"]),
        });
        if wrong.is_ok() {
            return Ok(());
        }
    }
    wrong
}

/// The printed object, its remaining seconds within three.
fn expiration_is(got: &Value, expected: &Value) -> Result<(), String> {
    let (mut got, mut wanted) = (got.clone(), expected.clone());
    for list in ["certificates", "certificateAuthorities"] {
        let both = got[list].as_array_mut().into_iter().flatten().zip(wanted[list].as_array_mut().into_iter().flatten());
        for (got, wanted) in both {
            let difference = got["residualTime"].as_i64().zip(wanted["residualTime"].as_i64()).map(|(got, wanted)| (got - wanted).abs());
            if difference.is_some_and(|seconds| seconds <= 3) {
                got["residualTime"] = wanted["residualTime"].take();
                wanted["residualTime"] = got["residualTime"].clone();
            }
        }
    }
    equal(&got, &wanted)
}

pub fn renewal(input: &Value, expected: &Value) -> Result<(), String> {
    let version = version(input)?;
    let now: Timestamp = parsed(input, "now")?;
    let Some(command) = command(input, version) else { return refused(expected) };
    let mut pki = observed(usual(now)?, input, &command)?;
    old_facts(&mut pki, input)?;
    let umask = input["umask"].as_str().and_then(|umask| u32::from_str_radix(umask, 8).ok()).map_or(Umask::default(), Umask);
    match command.verb.clone() {
        Verb::Renew { which, csr_dir } => {
            let renewal = Renewal { which, config: source(input, &command)?, umask, csr_dir };
            renewed(&renew::forecast(&renewal, &pki, version, now), &pki, now, input, expected)
        }
        Verb::InitCerts(which) => phase(Phase::Certs(which), &pki, version, now, input, expected),
        Verb::InitKubeconfig(which) => phase(Phase::Kubeconfig(which), &pki, version, now, input, expected),
        Verb::CheckExpiration(_) => Err("another command".into()),
    }
}

fn phase(phase: Phase, pki: &Pki, version: KubeVersion, now: Timestamp, input: &Value, expected: &Value) -> Result<(), String> {
    let config = config(&input["config"]).map_err(|refusal| refusal.to_string())?;
    let done = init_phase::forecast(phase, &config, pki, Umask::default(), version, now);
    equal(&json!(done.exit_code), &expected["rc"]).map_err(|why| format!("rc: {why}, {:?}", done.stop))?;
    equal(&json!(done.stdout), &expected["stdout"]).map_err(|why| format!("stdout: {why}"))?;
    writes(&done.writes, input, expected)
}

fn renewed(done: &renew::RenewForecast, pki: &Pki, now: Timestamp, input: &Value, expected: &Value) -> Result<(), String> {
    equal(&json!(done.exit_code), &expected["rc"]).map_err(|why| format!("rc: {why}, {:?}", done.stop))?;
    equal(&json!(done.stdout), &expected["stdout"]).map_err(|why| format!("stdout: {why}"))?;
    writes(&done.writes, input, expected)?;
    for (name, after) in expected["after"].as_object().into_iter().flatten() {
        let item: Item = name.parse().map_err(|error| format!("{error}"))?;
        let renewed = done.outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Renewed(renewed) if renewed.item == item => Some(renewed.as_ref()),
            _ => None,
        });
        certificate_after(item, renewed, pki, now, after).map_err(|why| format!("{item}: {why}"))?;
        if let Some(wanted) = expected.get("kubeconfig") {
            kubeconfig_after(renewed, wanted)?;
        }
    }
    Ok(())
}

fn certificate_after(item: Item, renewed: Option<&Renewed>, pki: &Pki, now: Timestamp, after: &Value) -> Result<(), String> {
    if after["unreadable"] == json!(true) {
        return if renewed.is_none() && pki.readable(item).is_none() { Ok(()) } else { Err("it should not be readable".into()) };
    }
    equal(&json!(renewed.is_some()), &after["renewed"])?;
    let Some(renewed) = renewed else {
        // It stays what it was, which is all that the case can say again.
        let facts = pki.readable(item).and_then(|old| old.facts.as_ref()).ok_or("nothing is known of the old one")?;
        return equal(&json!(facts.subject.iter().map(ToString::to_string).collect::<Vec<_>>()), &after["subject"]);
    };
    let facts = renewed.after.as_ref().ok_or("nothing is known of the new one")?;
    equal(&json!([true, false]), &json!([after["serial_changed"], after["key_reused"]]))?;
    facts_are(facts, item, after)?;
    let authority = item.authority().and_then(|ca| pki.readable(ca)).ok_or("no authority")?;
    if let Some(same) = after.get("not_before_equals_issuer_not_before") {
        equal(&json!(facts.not_before == authority.not_before), same)?;
    }
    dates_are(facts, now, &slack(facts, facts.not_before == authority.not_before), after)
}

fn kubeconfig_after(renewed: Option<&Renewed>, expected: &Value) -> Result<(), String> {
    let Some(renewed) = renewed else {
        equal(&json!([]), &expected["changed_sections"])?;
        return equal(&json!(true), &expected["ca_data_unchanged"]);
    };
    let change = renewed.kubeconfig.as_ref().ok_or("nothing is known of the kubeconfig")?;
    let got = json!({
        "top_level_keys_in_order": change.top_level_keys, "lost_top_level_keys": change.lost_top_level_keys,
        "changed_sections": change.changed_sections, "ca_certs_in_data_after": change.ca_certificates,
        "ca_data_after_equals_ca_crt": change.ca_is_ca_crt, "ca_data_unchanged": change.ca_data_kept,
    });
    for (name, got) in got.as_object().into_iter().flatten() {
        equal(got, &expected[name]).map_err(|why| format!("kubeconfig {name}: {why}"))?;
    }
    Ok(())
}

fn writes(writes: &[Write], input: &Value, expected: &Value) -> Result<(), String> {
    let paths = |creates: bool| {
        let paths: BTreeSet<_> = writes.iter().filter(|write| write.creates() == creates).map(|write| write.path.as_str()).collect();
        json!(paths)
    };
    equal(&paths(false), &expected["changed"]).map_err(|why| format!("changed: {why}"))?;
    equal(&paths(true), &expected["created"]).map_err(|why| format!("created: {why}"))?;
    let mut stems: Vec<&str> = writes.iter().map(|write| stem(&write.path)).collect();
    stems.dedup();
    equal(&json!(stems), &expected["written_in_order"]).map_err(|why| format!("order: {why}"))?;
    let modes = writes.iter().map(|write| (write.path.clone(), json!(format!("{:o}", mode(write, input)))));
    equal(&Value::Object(modes.collect()), &expected["modes_after"]).map_err(|why| format!("modes: {why}"))?;
    traced(writes, expected)
}

fn stem(path: &str) -> &str {
    [".crt", ".key", ".csr"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path)
}

/// An existing file keeps its mode; which it had, where it is not the usual one, only the scenario's name tells.
fn mode(write: &Write, input: &Value) -> u32 {
    let odd = input["id"].as_str().is_some_and(|id| id.ends_with("/modes"));
    let before = match write.path.trim_start_matches("/etc/kubernetes/") {
        "admin.conf" if odd => 0o644,
        "pki/apiserver.crt" if odd => 0o600,
        "pki/apiserver.key" if odd => 0o640,
        path => usual_mode(path),
    };
    write.mode.unwrap_or(before)
}

/// What strace saw is a part of the writes, in their order.
fn traced(writes: &[Write], expected: &Value) -> Result<(), String> {
    let mut rest = writes.iter();
    for line in expected["writes_strace"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let path = line.split(' ').next().unwrap_or_default();
        if !rest.any(|write| write.path == path) {
            return Err(format!("{path} is not written in this order"));
        }
    }
    Ok(())
}
