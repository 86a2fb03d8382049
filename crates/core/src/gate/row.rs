//! How the table is written and checked.

use super::Stage;
use crate::version::KubeVersion;

/// One gate and the releases that changed it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Ascending; before the first one the gate is absent.
    pub(super) rows: &'static [GateRow],
}

/// From `1.minor` on, this stage holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct GateRow {
    pub(super) minor: u8,
    pub(super) stage: Stage,
}

pub(super) const OFF: bool = false;
pub(super) const ON: bool = true;

pub(super) const fn gate(name: &'static str, rows: &'static [GateRow]) -> Entry {
    Entry { name, rows }
}

pub(super) const fn alpha(minor: u8, default: bool) -> GateRow {
    GateRow { minor, stage: Stage::Alpha { default } }
}

pub(super) const fn beta(minor: u8, default: bool) -> GateRow {
    GateRow { minor, stage: Stage::Beta { default } }
}

pub(super) const fn ga(minor: u8, default: bool) -> GateRow {
    GateRow { minor, stage: Stage::Ga { default } }
}

pub(super) const fn deprecated(minor: u8, default: bool) -> GateRow {
    GateRow { minor, stage: Stage::Deprecated { default } }
}

pub(super) const fn locked(minor: u8, value: bool) -> GateRow {
    GateRow { minor, stage: Stage::Locked { value } }
}

pub(super) const fn removed(minor: u8, value: bool) -> GateRow {
    GateRow { minor, stage: Stage::Removed { value } }
}

/// Returns the table where names and releases ascend and each removal is the last row and keeps the value before it.
///
/// Anything else stops the compiler.
pub(super) const fn checked(table: &'static [Entry]) -> &'static [Entry] {
    assert!(table.len() < u16::MAX as usize, "a gate's position fits two bytes");
    let mut at = 0;
    while at < table.len() {
        assert!(at == 0 || is_before(table[at - 1].name, table[at].name), "the names of the table ascend");
        check_rows(table[at].rows);
        at += 1;
    }
    table
}

const fn check_rows(rows: &[GateRow]) {
    assert!(!rows.is_empty() && rows[0].minor >= KubeVersion::MIN.minor(), "a gate has a row, and none before 1.12");
    assert!(rows[0].stage.is_known(), "a gate begins by being known");
    let mut at = 1;
    while at < rows.len() {
        assert!(rows[at - 1].minor < rows[at].minor, "the releases of a gate ascend");
        assert!(rows[at - 1].stage.is_known(), "no stage follows a removal");
        assert!(!matches!(rows[at].stage, Stage::Absent), "a gate that is gone is Removed");
        if let Stage::Removed { value } = rows[at].stage {
            assert!(rows[at - 1].stage.default() == value, "a removed gate keeps its last value");
        }
        at += 1;
    }
    assert!(rows[rows.len() - 1].minor <= KubeVersion::MAX.minor(), "no row after 1.37");
}

/// The position of a name, or the length of the table where it is not there; for constant evaluation.
pub(super) const fn position(table: &[Entry], name: &str) -> usize {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(table[middle].name, name) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low < table.len() && !is_before(name, table[low].name) { low } else { table.len() }
}

/// Compares the bytes in constant evaluation, where `Ord` cannot be called.
const fn is_before(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

#[cfg(test)]
mod tests {
    use super::super::table::TABLE;
    use super::*;

    #[test]
    fn every_name_of_the_table_is_found_at_its_place() {
        for (at, entry) in TABLE.iter().enumerate() {
            assert_eq!(position(TABLE, entry.name), at, "{}", entry.name);
        }
        for missing in ["", "AllAlph", "AllAlphas", "~"] {
            assert_eq!(position(TABLE, missing), TABLE.len(), "{missing}");
        }
    }

    #[test]
    #[should_panic(expected = "the names of the table ascend")]
    fn names_out_of_order_are_refused() {
        static WRONG: &[Entry] = &[gate("B", &[alpha(12, OFF)]), gate("A", &[alpha(12, OFF)])];
        checked(WRONG);
    }

    #[test]
    #[should_panic(expected = "the releases of a gate ascend")]
    fn releases_out_of_order_are_refused() {
        static WRONG: &[Entry] = &[gate("A", &[alpha(20, OFF), beta(20, ON)])];
        checked(WRONG);
    }

    #[test]
    #[should_panic(expected = "a removed gate keeps its last value")]
    fn a_removal_that_changes_the_value_is_refused() {
        static WRONG: &[Entry] = &[gate("A", &[locked(20, ON), removed(21, OFF)])];
        checked(WRONG);
    }

    #[test]
    #[should_panic(expected = "no stage follows a removal")]
    fn a_stage_after_a_removal_is_refused() {
        static WRONG: &[Entry] = &[gate("A", &[alpha(20, OFF), removed(21, OFF), beta(22, ON)])];
        checked(WRONG);
    }

    #[test]
    #[should_panic(expected = "a gate begins by being known")]
    fn a_gate_that_begins_removed_is_refused() {
        static WRONG: &[Entry] = &[gate("A", &[removed(12, OFF)])];
        checked(WRONG);
    }
}
