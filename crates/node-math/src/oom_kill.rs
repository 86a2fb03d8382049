//! What the Linux kernel makes of `oom_score_adj`: which process it kills when memory runs out.
//!
//! A process has points: the pages that it holds, and `oom_score_adj` thousandths of all pages on top ([`oom_badness`]). The one
//! with most points is killed ([`kill_order`]). Three things differ between kernels:
//!
//! - Before 4.17 processes with `CAP_SYS_ADMIN` have 3 % of their pages taken off.
//! - Before 5.9 points are at least 1, so that of several processes far below zero any may go first. Since then they are signed,
//!   and the order among guaranteed containers is that of their memory.
//! - Before 5.3 the first of several processes with the same points goes, since then the last one. The kernel looks at processes
//!   in the order in which they were started.
//!
//! A kernel kills processes, not containers; a container stands here for its largest process. A cgroup with `memory.oom.group`
//! set (which kubelets do with cgroup v2 from 1.28 on, unless `singleProcessOOMKill` says otherwise) loses all its processes with
//! the one that is chosen.
//!
//! Source: `mm/oom_kill.c` and `fs/proc/base.c`. The code of 4.19 and 5.4 was read, of the latter a tree with the change of 5.9; which
//! release brought 4.17's and 5.9's change comes from the history of the kernel, 5.3 from the date of the patch (June 2019).

use std::cmp::Reverse;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which of the candidates the kernel kills, the most likely one first.
///
/// Candidates come in the order in which their processes were started, the oldest first: it decides between equals. Each place is
/// given as if those before it were gone and nothing else had changed. Who cannot be killed is not in the list.
///
/// ```
/// use trimtab_node_math::oom_kill::{Candidate, KernelRules, OomDomain, OomScoreAdj, kill_order};
///
/// let candidate = |name, adj, memory_bytes| -> Result<_, trimtab_node_math::Error> {
///     Ok(Candidate { name, oom_score_adj: OomScoreAdj::new(adj)?, memory_bytes })
/// };
/// let node = OomDomain::node(16 << 30, 0)?;
/// let candidates =
///     [candidate("kubelet", -999, 100 << 20)?, candidate("database", -997, 8 << 30)?, candidate("batch", 1000, 10 << 20)?, candidate("web", 750, 6 << 30)?];
/// let names = |rules| kill_order(&candidates, node, rules).into_iter().map(|victim| victim.candidate.name).collect::<Vec<_>>();
/// assert_eq!(names(KernelRules::at(6, 12)), ["web", "batch", "database", "kubelet"]);
/// # Ok::<(), trimtab_node_math::Error>(())
/// ```
#[must_use]
pub fn kill_order<N>(candidates: &[Candidate<N>], domain: OomDomain, rules: KernelRules) -> Vec<Victim<'_, N>> {
    let victim = |candidate| match oom_badness(&domain.process(candidate), domain.pages(), rules) {
        Badness::Points(points) => Some(Victim { candidate, points }),
        Badness::Unkillable => None,
    };
    let mut victims: Vec<_> = match rules.tie {
        Tie::First => candidates.iter().filter_map(victim).collect(),
        Tie::Last => candidates.iter().rev().filter_map(victim).collect(),
    };
    victims.sort_by_key(|victim| Reverse(victim.points));
    victims
}

/// The points of a process; upstream's `oom_badness`.
///
/// `total_pages` is what the kill is about: all of memory and swap, or the limit of a cgroup. The division comes first
/// (`oom_score_adj * (total_pages / 1000)`), so that below 1000 pages `oom_score_adj` has no effect but for -1000.
///
/// DIFFERENCE: pages beyond 2^63 saturate, which no machine has.
///
/// ```
/// use trimtab_node_math::oom_kill::{Badness, KernelRules, OomScoreAdj, Privilege, Process, oom_badness};
///
/// let idle = Process { rss_pages: 1000, swap_pages: 0, page_table_pages: 0, oom_score_adj: OomScoreAdj::new(-997)?, privilege: Privilege::None };
/// let pages = 4_000_000;
/// assert_eq!(oom_badness(&idle, pages, KernelRules::at(6, 12)), Badness::Points(1000 - 997 * 4000));
/// assert_eq!(oom_badness(&idle, pages, KernelRules::at(5, 8)), Badness::Points(1));
/// # Ok::<(), trimtab_node_math::Error>(())
/// ```
#[must_use]
pub fn oom_badness(process: &Process, total_pages: u64, rules: KernelRules) -> Badness {
    if process.oom_score_adj == OomScoreAdj::MIN {
        return Badness::Unkillable;
    }
    let held = process.rss_pages.saturating_add(process.swap_pages).saturating_add(process.page_table_pages);
    let held = i64::try_from(held).unwrap_or(i64::MAX);
    let held = match (rules.discount, process.privilege) {
        (Discount::SysAdmin, Privilege::SysAdmin) => held - held.saturating_mul(3) / 100,
        (Discount::SysAdmin, Privilege::None) | (Discount::None, _) => held,
    };
    let thousandth = i64::try_from(total_pages / 1000).unwrap_or(i64::MAX);
    let points = held.saturating_add(i64::from(process.oom_score_adj.0).saturating_mul(thousandth));
    match rules.floor {
        Floor::One => Badness::Points(points.max(1)),
        Floor::None => Badness::Points(points),
    }
}

/// What `/proc/PID/oom_score` shows of these points; upstream's `proc_oom_score`.
///
/// Before 5.9 thousandths of all pages; since then mapped to 0 to 2000, where a small process without adjustment has 666. Who
/// cannot be killed has 0. `total_pages` is always all of memory and swap.
///
/// ```
/// use std::num::NonZeroU64;
///
/// use trimtab_node_math::oom_kill::{Badness, KernelRules, oom_score};
///
/// let pages = NonZeroU64::new(4_000_000).unwrap();
/// assert_eq!(oom_score(Badness::Points(0), pages, KernelRules::at(6, 12)), 666);
/// assert_eq!(oom_score(Badness::Points(4_000_000), pages, KernelRules::at(6, 12)), 1333);
/// assert_eq!(oom_score(Badness::Points(4_000_000), pages, KernelRules::at(4, 19)), 1000);
/// ```
#[must_use]
pub fn oom_score(badness: Badness, total_pages: NonZeroU64, rules: KernelRules) -> i64 {
    let Badness::Points(points) = badness else { return 0 };
    let total = i64::try_from(total_pages.get()).unwrap_or(i64::MAX);
    let thousandths = points.saturating_mul(1000) / total;
    match rules.floor {
        Floor::One => thousandths,
        Floor::None => thousandths.saturating_add(1000).saturating_mul(2) / 3,
    }
}

/// A process (or a container, by its largest one) that might be killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<N> {
    /// Who it is; not looked at.
    pub name: N,
    /// What the runtime wrote for it.
    pub oom_score_adj: OomScoreAdj,
    /// What it holds in bytes: resident, swapped out, page tables. Clean page cache does not belong here, although a container's
    /// working set counts some of it. Less than a page is left out.
    pub memory_bytes: u64,
}

/// A candidate with its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Victim<'a, N> {
    /// Who it is.
    pub candidate: &'a Candidate<N>,
    /// What decided, in pages.
    pub points: i64,
}

/// A value that a process can have: from -1000, which takes it out, to 1000.
///
/// A kubelet can compute others, which the kernel refuses: such a container fails to start.
///
/// ```
/// use trimtab_node_math::oom_kill::OomScoreAdj;
///
/// assert_eq!(OomScoreAdj::new(1000)?.get(), 1000);
/// assert!(OomScoreAdj::new(1041).is_err());
/// # Ok::<(), trimtab_node_math::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct OomScoreAdj(i16);

impl OomScoreAdj {
    /// `OOM_SCORE_ADJ_MIN`: never killed.
    pub const MIN: Self = Self(-1000);
    /// `OOM_SCORE_ADJ_MAX`.
    pub const MAX: Self = Self(1000);

    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::OomScoreAdjOutOfRange`].
    pub fn new(value: i64) -> Result<Self, Error> {
        match i16::try_from(value) {
            Ok(small) if (Self::MIN.0..=Self::MAX.0).contains(&small) => Ok(Self(small)),
            Ok(_) | Err(_) => Err(Error::OomScoreAdjOutOfRange { value }),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0
    }
}

impl TryFrom<i64> for OomScoreAdj {
    type Error = Error;

    fn try_from(value: i64) -> Result<Self, Error> {
        Self::new(value)
    }
}

impl From<OomScoreAdj> for i64 {
    fn from(value: OomScoreAdj) -> Self {
        value.0.into()
    }
}

/// A process as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Resident pages: anonymous, of files, shared.
    pub rss_pages: u64,
    /// Pages in swap.
    pub swap_pages: u64,
    /// Pages of its page tables.
    pub page_table_pages: u64,
    /// What was written for it.
    pub oom_score_adj: OomScoreAdj,
    /// Whether it may do everything.
    pub privilege: Privilege,
}

/// Whether a process may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// It has no `CAP_SYS_ADMIN`.
    None,
    /// It has `CAP_SYS_ADMIN`.
    SysAdmin,
}

/// What speaks against a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Badness {
    /// It is not killed: `oom_score_adj` is -1000. Kernel threads and init are left out as well, but are no candidates here.
    Unkillable,
    /// In pages; below zero for what is protected, from 5.9 on.
    Points(i64),
}

/// What memory ran out: the node's, or that of a cgroup with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomDomain {
    total_bytes: NonZeroU64,
    page_bytes: NonZeroU64,
}

impl OomDomain {
    /// A node, with pages of 4096 bytes: all of its memory and all of its swap, used or not.
    ///
    /// # Errors
    /// [`Error::NoPages`] where that is less than a page.
    pub fn node(memory_bytes: u64, swap_bytes: u64) -> Result<Self, Error> {
        Self::with_pages(memory_bytes.saturating_add(swap_bytes), 4096)
    }

    /// A cgroup, with pages of 4096 bytes: its memory limit, and what it may swap on top. Only processes in it are candidates.
    ///
    /// # Errors
    /// [`Error::NoPages`] where that is less than a page.
    pub fn cgroup(limit_bytes: u64) -> Result<Self, Error> {
        Self::with_pages(limit_bytes, 4096)
    }

    /// Any amount and any size of pages (64 KiB on some arm64 and ppc64le).
    ///
    /// # Errors
    /// [`Error::NoPages`] where the amount is less than a page, or a page has no bytes.
    pub fn with_pages(total_bytes: u64, page_bytes: u64) -> Result<Self, Error> {
        let known = |total: &NonZeroU64, page: &NonZeroU64| total >= page;
        match (NonZeroU64::new(total_bytes), NonZeroU64::new(page_bytes)) {
            (Some(total_bytes), Some(page_bytes)) if known(&total_bytes, &page_bytes) => Ok(Self { total_bytes, page_bytes }),
            (Some(_) | None, Some(_) | None) => Err(Error::NoPages { total_bytes, page_bytes }),
        }
    }

    /// How many pages there are; at least one.
    #[must_use]
    pub fn pages(self) -> u64 {
        self.total_bytes.get() / self.page_bytes
    }

    /// A candidate as a process; nobody knows more of it than its memory.
    fn process<N>(self, candidate: &Candidate<N>) -> Process {
        Process {
            rss_pages: candidate.memory_bytes / self.page_bytes,
            swap_pages: 0,
            page_table_pages: 0,
            oom_score_adj: candidate.oom_score_adj,
            privilege: Privilege::None,
        }
    }
}

/// The rules of one kernel.
///
/// ```
/// use trimtab_node_math::oom_kill::{Discount, Floor, KernelRules, Tie};
///
/// assert_eq!(KernelRules::at(4, 16), KernelRules { discount: Discount::SysAdmin, floor: Floor::One, tie: Tie::First });
/// assert_eq!(KernelRules::at(6, 12), KernelRules { discount: Discount::None, floor: Floor::None, tie: Tie::Last });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelRules {
    /// Who is let off lightly.
    pub discount: Discount,
    /// How low points can go.
    pub floor: Floor,
    /// Who goes of several with the same points.
    pub tie: Tie,
}

impl KernelRules {
    /// The rules of kernel `major.minor`. Distributions carry changes back: a stable 5.4 has been seen with those of 5.9.
    #[must_use]
    pub fn at(major: u32, minor: u32) -> Self {
        let since = |release| (major, minor) >= release;
        Self {
            discount: if since((4, 17)) { Discount::None } else { Discount::SysAdmin },
            floor: if since((5, 9)) { Floor::None } else { Floor::One },
            tie: if since((5, 3)) { Tie::Last } else { Tie::First },
        }
    }
}

/// Who is let off lightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discount {
    /// Nobody.
    None,
    /// With `CAP_SYS_ADMIN`, 3 % of the pages are not counted.
    SysAdmin,
}

/// How low points can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// To 1.
    One,
    /// Below zero.
    None,
}

/// Who goes of several with the same points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// Who was started first.
    First,
    /// Who was started last.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEW: (u32, u32) = (6, 12);
    const OLD: (u32, u32) = (4, 19);

    fn order(candidates: &[(&'static str, i64, u64)], (major, minor): (u32, u32)) -> Vec<&'static str> {
        let candidate = |&(name, adj, memory_bytes): &_| Candidate { name, oom_score_adj: OomScoreAdj::new(adj).unwrap(), memory_bytes };
        let candidates: Vec<_> = candidates.iter().map(candidate).collect();
        let node = OomDomain::node(16 << 30, 0).unwrap();
        kill_order(&candidates, node, KernelRules::at(major, minor)).into_iter().map(|victim| victim.candidate.name).collect()
    }

    fn process(oom_score_adj: i64) -> Process {
        let oom_score_adj = OomScoreAdj::new(oom_score_adj).unwrap();
        Process { rss_pages: 100, swap_pages: 20, page_table_pages: 3, oom_score_adj, privilege: Privilege::SysAdmin }
    }

    #[test]
    fn memory_swap_and_page_tables_count_alike() {
        assert_eq!(oom_badness(&process(0), 5000, KernelRules::at(6, 1)), Badness::Points(123));
    }

    #[test]
    fn privileged_processes_were_let_off_before_4_17() {
        assert_eq!(oom_badness(&process(0), 5000, KernelRules::at(4, 16)), Badness::Points(120));
        assert_eq!(oom_badness(&process(0), 5000, KernelRules::at(4, 17)), Badness::Points(123));
    }

    #[test]
    fn the_adjustment_counts_whole_thousands_of_pages() {
        let points = |pages| oom_badness(&process(500), pages, KernelRules::at(6, 1));
        assert_eq!([999, 1000, 1999, 2000].map(points), [123, 623, 623, 1123].map(Badness::Points));
    }

    #[test]
    fn points_are_at_least_one_before_5_9() {
        let points = |(major, minor)| oom_badness(&process(-999), 5000, KernelRules::at(major, minor));
        assert_eq!([(4, 17), (5, 8), (5, 9)].map(points), [1, 1, 123 - 999 * 5].map(Badness::Points));
    }

    #[test]
    fn minus_1000_takes_a_process_out() {
        assert_eq!(oom_badness(&process(-1000), 5000, KernelRules::at(6, 1)), Badness::Unkillable);
        assert_eq!(order(&[("never", -1000, 16 << 30), ("other", -999, 1)], NEW), ["other"]);
        assert_eq!(oom_score(Badness::Unkillable, NonZeroU64::MIN, KernelRules::at(6, 1)), 0);
    }

    #[test]
    fn protected_processes_are_ordered_by_their_memory_since_5_9_only() {
        let candidates = [("small", -997, 1 << 20), ("large", -997, 4 << 30)];
        assert_eq!(order(&candidates, NEW), ["large", "small"]);
        assert_eq!(order(&candidates, OLD), ["small", "large"]);
        assert_eq!(order(&candidates, (5, 8)), ["large", "small"]);
        assert_eq!(order(&[candidates[1], candidates[0]], (5, 8)), ["small", "large"]);
    }

    #[test]
    fn of_equals_the_oldest_goes_before_5_3_and_the_youngest_since() {
        let candidates = [("old", 1000, 4096), ("middle", 1000, 4096), ("young", 1000, 4096)];
        assert_eq!(order(&candidates, (5, 2)), ["old", "middle", "young"]);
        assert_eq!(order(&candidates, (5, 3)), ["young", "middle", "old"]);
    }

    #[test]
    fn the_score_in_proc_stands_around_666_since_5_9() {
        let pages = NonZeroU64::new(4_000_000).unwrap();
        let shown = |adj: i64, (major, minor)| {
            let rules = KernelRules::at(major, minor);
            let idle = Process {
                rss_pages: 0,
                swap_pages: 0,
                page_table_pages: 0,
                oom_score_adj: OomScoreAdj::new(adj).unwrap(),
                privilege: Privilege::None,
            };
            oom_score(oom_badness(&idle, pages.get(), rules), pages, rules)
        };
        assert_eq!([-997, 0, 1000].map(|adj| shown(adj, NEW)), [2, 666, 1333]);
        assert_eq!([-997, 0, 1000].map(|adj| shown(adj, OLD)), [0, 0, 1000]);
    }

    #[test]
    fn what_has_no_page_is_no_domain() {
        for (total_bytes, page_bytes) in [(0, 4096), (4095, 4096), (4096, 0), (0, 0)] {
            assert_eq!(OomDomain::with_pages(total_bytes, page_bytes), Err(Error::NoPages { total_bytes, page_bytes }));
        }
        assert_eq!(OomDomain::cgroup(4096).unwrap().pages(), 1);
    }

    proptest! {
        #[test]
        fn any_process_has_points_or_is_out(rss_pages: u64, swap_pages: u64, page_table_pages: u64, adj in -1000_i64..=1000, pages in 1_u64.., minor in 0_u32..20) {
            let oom_score_adj = OomScoreAdj::new(adj).unwrap();
            let rules = KernelRules::at(4, minor);
            let process = Process { rss_pages, swap_pages, page_table_pages, oom_score_adj, privilege: Privilege::SysAdmin };
            let badness = oom_badness(&process, pages, rules);
            prop_assert_eq!(badness == Badness::Unkillable, adj == -1000);
            let _ = oom_score(badness, NonZeroU64::new(pages).unwrap(), KernelRules::at(6, minor));
        }

        #[test]
        fn asking_for_more_never_raises_the_place(adj in -999_i64..=1000, memory in 0_u64..(16 << 30)) {
            let more = [("more", adj, memory), ("less", (adj - 1).max(-999), memory)];
            prop_assert_eq!(order(&more, NEW)[0] == "more" || adj == -999, true);
        }
    }
}
