//! What a misspelt gate was probably meant to be.

use super::Gate;
use crate::version::KubeVersion;

/// A name as errors show it.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The gate that is spelt most like `name`, where one is near: the case does not count, and a fifth of the letters may differ.
///
/// Among equally near ones, those that `version` knows come first.
pub(super) fn nearest(name: &str, version: KubeVersion) -> Option<Gate> {
    let wanted: Vec<char> = cut(name).to_lowercase().chars().collect();
    let distance = |gate: &Gate| edits(&wanted, &gate.name().to_lowercase());
    let (distance, _, gate) = Gate::all().map(|gate| (distance(&gate), !gate.stage(version).is_known(), gate)).min()?;
    (distance <= wanted.len() / 5).then_some(gate)
}

/// How many letters must be added, dropped or replaced (Levenshtein's distance).
fn edits(from: &[char], to: &str) -> usize {
    let mut costs: Vec<usize> = (0..=from.len()).collect();
    for (row, letter) in to.chars().enumerate() {
        let mut diagonal = row;
        costs[0] = row + 1;
        for at in 0..from.len() {
            let replaced = diagonal + usize::from(from[at] != letter);
            diagonal = costs[at + 1];
            costs[at + 1] = replaced.min(costs[at] + 1).min(diagonal + 1);
        }
    }
    costs[from.len()]
}
