//! What comes after the steps: restarts, copies to hand out, and kubeadm's own commands.

use std::collections::BTreeMap;

use trimtab_core::KubeVersion;

use super::kubeadm::KubeadmCommand;
use super::process::{Pickup, Process};
use super::reason::Notice;
use super::seen::NodeSeen;
use super::{Renew, RenewalStep};
use crate::kubeadm::Item;
use crate::kubeadm::pki::KeyState;

/// Nothing where there is no step.
pub(super) fn of(steps: &[RenewalStep], seen: &NodeSeen, version: KubeVersion) -> Vec<Notice> {
    if steps.is_empty() {
        return Vec::new();
    }
    let actions: Vec<&Renew> = steps.iter().map(|step| &step.action).collect();
    let mends = actions.iter().filter(|action| *seen.pki.key(action.item) == KeyState::Mismatch);
    let mut notices = vec![Notice::OneNode];
    notices.extend(mends.map(|action| Notice::MendsPair { item: action.item }));
    notices.extend(processes(&actions, &seen.folder));
    notices.extend(actions.iter().filter(|action| is_handed_out(action)).map(|action| hand_out(action)));
    notices.extend(commands(&actions, version));
    notices
}

fn is_handed_out(action: &Renew) -> bool {
    action.users.iter().any(|user| user.pickup == Pickup::Copied)
}

fn hand_out(action: &Renew) -> Notice {
    Notice::HandOut { item: action.item, path: action.files.first().cloned().unwrap_or_default(), until: action.old_not_after }
}

/// What is new for a process, and what proves that it came there.
#[derive(Default)]
struct News {
    items: Vec<Item>,
    proofs: Vec<String>,
}

/// One notice for each process and each way in which it comes to new ones; restarts first.
fn processes(actions: &[&Renew], folder: &str) -> Vec<Notice> {
    let mut groups: BTreeMap<(Pickup, Process), News> = BTreeMap::new();
    for action in actions {
        for user in action.users.iter().filter(|user| user.pickup != Pickup::Copied) {
            let news = groups.entry((user.pickup, user.process)).or_default();
            news.items.push(action.item);
            news.proofs.push(user.proof.clone());
        }
    }
    groups.into_iter().map(|((pickup, process), news)| of_process(process, pickup, news, folder)).collect()
}

fn of_process(process: Process, pickup: Pickup, News { items, proofs }: News, folder: &str) -> Notice {
    match process.manifest().filter(|_| pickup.needs_restart()) {
        Some(name) => Notice::Restart { process, manifest: format!("{folder}/manifests/{name}"), items, pickup, proofs },
        None => Notice::NoRestart { process, items, pickup, proofs },
    }
}

fn commands(actions: &[&Renew], version: KubeVersion) -> Vec<Notice> {
    let (safe, not_safe): (Vec<_>, Vec<_>) = actions.iter().filter_map(|action| action.kubeadm.clone()).partition(KubeadmCommand::is_safe);
    let safe: Vec<String> = safe.into_iter().map(|command| command.command).collect();
    let safe = (!safe.is_empty()).then_some(Notice::KubeadmSafe { version, commands: safe });
    not_safe.into_iter().map(|command| Notice::KubeadmUnsafe { version, command }).chain(safe).collect()
}
