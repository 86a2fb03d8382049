//! Values that changed between releases, as tables that are checked when they compile.

use crate::version::KubeVersion;

/// One row of a [`Since`]: from this release on, this value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<T> {
    /// The first release with this value.
    pub since: KubeVersion,
    /// The value.
    pub value: T,
    /// Where upstream says so: path, tag, or "executed".
    pub source: &'static str,
}

impl<T> Row<T> {
    /// The value holds from `1.minor.0` on.
    pub const fn new(minor: u8, value: T, source: &'static str) -> Self {
        Self::patch(minor, 0, value, source)
    }

    /// The value holds from `1.minor.patch` on: a fix that was back-ported.
    pub const fn patch(minor: u8, patch: u16, value: T, source: &'static str) -> Self {
        Self { since: KubeVersion::row(minor, patch), value, source }
    }
}

/// A value that changed between releases: rows in ascending order, the first one at 1.12.0.
///
/// ```
/// use trimtab_core::{KubeVersion, Row, Since};
///
/// static GUARANTEED: Since<i64> = Since::new(&[
///     Row::new(12, -998, "pkg/kubelet/qos/policy.go@v1.12"),
///     Row::new(20, -997, "pkg/kubelet/qos/policy.go@v1.20"),
/// ]);
/// assert_eq!(*GUARANTEED.at(KubeVersion::new(19)?), -998);
/// assert_eq!(*GUARANTEED.at("1.20.0".parse()?), -997);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
///
/// Rows out of order do not compile:
///
/// ```compile_fail
/// use trimtab_core::{Row, Since};
///
/// static WRONG: Since<u8> = Since::new(&[Row::new(12, 0, ""), Row::new(20, 1, ""), Row::new(16, 2, "")]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Since<T: 'static> {
    rows: &'static [Row<T>],
}

impl<T> Since<T> {
    /// Checks the table. In a `static` or `const` a wrong one stops the compiler.
    ///
    /// # Panics
    /// Where there is no row, the first is not 1.12.0, or the releases do not ascend.
    #[must_use]
    pub const fn new(rows: &'static [Row<T>]) -> Self {
        assert!(!rows.is_empty(), "a table has at least one row");
        let first = rows[0].since;
        assert!(first.minor() == KubeVersion::MIN.minor() && matches!(first.patch(), Some(0)), "the first row holds from 1.12.0 on");
        let mut at = 1;
        while at < rows.len() {
            assert!(rows[at - 1].since.is_before(rows[at].since), "the releases of a table ascend");
            at += 1;
        }
        Self { rows }
    }

    /// The value that holds in `version`.
    #[must_use]
    pub fn at(&self, version: KubeVersion) -> &'static T {
        &self.row(version).value
    }

    /// The row that holds in `version`, with its source.
    #[must_use]
    pub fn row(&self, version: KubeVersion) -> &'static Row<T> {
        let after = self.rows.partition_point(|row| row.since <= version);
        // The first row is 1.12.0 and no version is older, so `after` is at least one.
        &self.rows[after.max(1) - 1]
    }

    /// All rows, oldest first.
    #[must_use]
    pub fn rows(&self) -> &'static [Row<T>] {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BACKPORTED: Since<&str> =
        Since::new(&[Row::new(12, "old", "a"), Row::patch(30, 14, "fixed", "b"), Row::new(31, "old", "c"), Row::patch(31, 14, "fixed", "d")]);

    fn at(text: &str) -> &'static str {
        BACKPORTED.at(text.parse().unwrap())
    }

    #[test]
    fn the_last_row_that_is_not_later_holds() {
        assert_eq!([at("1.12"), at("1.30.13"), at("1.30.14")], ["old", "old", "fixed"]);
    }

    #[test]
    fn a_back_port_does_not_leak_into_the_first_patches_of_the_next_minor() {
        assert_eq!([at("1.31.0"), at("1.31.13"), at("1.31.14"), at("1.37")], ["old", "old", "fixed", "fixed"]);
    }

    #[test]
    fn a_minor_without_patch_has_its_back_ports() {
        assert_eq!([at("1.29"), at("1.30"), at("1.31")], ["old", "fixed", "fixed"]);
    }
}
