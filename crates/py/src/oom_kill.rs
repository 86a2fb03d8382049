//! `trimtab.node`, the second half: what the Linux kernel makes of `oom_score_adj`.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use trimtab::node::oom_kill::{self, Badness, Candidate, KernelRules, OomDomain, OomScoreAdj, Privilege, Process};

use crate::convert::{read, write_dict};
use crate::error::{OrRaise, Trouble};
use crate::quantity::MemoryBytes;

/// Which of the candidates the kernel kills, the most likely one first; who cannot be killed is left out.
///
/// Candidates come in the order in which their processes were started, the oldest first: it decides between equals. Each place
/// is given as if those before it were gone and nothing else had changed. `kernel` is (major, minor) of the node's kernel.
/// Source: `mm/oom_kill.c`.
///
/// >>> from trimtab import node
/// >>> candidates = [node.Candidate("database", oom_score_adj=-997, memory="8Gi"),
/// ...               node.Candidate("batch", oom_score_adj=1000, memory="10Mi"),
/// ...               node.Candidate("web", oom_score_adj=750, memory="6Gi")]
/// >>> victims = node.kill_order(candidates, domain=node.OomDomain.node("16Gi"), kernel=(6, 12))
/// >>> [victim.name for victim in victims]
/// ['web', 'batch', 'database']
#[pyfunction]
#[pyo3(signature = (candidates, *, domain, kernel))]
pub(crate) fn kill_order(candidates: Vec<Bound<'_, PyCandidate>>, domain: &PyOomDomain, kernel: (u32, u32)) -> Vec<PyVictim> {
    let candidates: Vec<Candidate<String>> = candidates.iter().map(|candidate| candidate.get().0.clone()).collect();
    let victims = oom_kill::kill_order(&candidates, domain.domain, rules(kernel));
    victims.into_iter().map(|victim| PyVictim { candidate: PyCandidate(victim.candidate.clone()), points: victim.points }).collect()
}

/// The points of a process in pages, or `None` where it is never killed (`oom_score_adj` -1000). Upstream's `oom_badness`.
///
/// `total_pages` is what the kill is about: all of memory and swap, or the limit of a cgroup. `privilege` is `"none"` or
/// `"sysAdmin"` (`CAP_SYS_ADMIN`, which mattered before 4.17). Points are below zero for what is protected, from 5.9 on.
///
/// Raises `InvalidInput` where `oom_score_adj` lies outside of -1000 to 1000.
///
/// >>> from trimtab import node
/// >>> node.oom_badness(-997, rss_pages=1000, total_pages=4_000_000, kernel=(6, 12))
/// -3987000
/// >>> node.oom_badness(-997, rss_pages=1000, total_pages=4_000_000, kernel=(5, 8))
/// 1
#[pyfunction]
#[pyo3(signature = (oom_score_adj, *, rss_pages, total_pages, kernel, swap_pages = 0, page_table_pages = 0, privilege = Who::NONE), text_signature = "(oom_score_adj, *, rss_pages, total_pages, kernel, swap_pages=0, page_table_pages=0, privilege='none')")]
pub(crate) fn oom_badness(
    oom_score_adj: i64,
    rss_pages: u64,
    total_pages: u64,
    kernel: (u32, u32),
    swap_pages: u64,
    page_table_pages: u64,
    privilege: Who,
) -> PyResult<Option<i64>> {
    let oom_score_adj = OomScoreAdj::new(oom_score_adj).or_raise()?;
    let process = Process { rss_pages, swap_pages, page_table_pages, oom_score_adj, privilege: privilege.0 };
    Ok(match oom_kill::oom_badness(&process, total_pages, rules(kernel)) {
        Badness::Points(points) => Some(points),
        Badness::Unkillable => None,
    })
}

/// What `/proc/PID/oom_score` shows of these points (`None` for who cannot be killed). Upstream's `proc_oom_score`.
///
/// Before 5.9 thousandths of all pages; since then 0 to 2000, where a small process without adjustment has 666.
/// `total_pages` is always all of memory and swap.
///
/// Raises `InvalidInput` where there is no page.
///
/// >>> from trimtab import node
/// >>> [node.oom_score(points, total_pages=4_000_000, kernel=(6, 12)) for points in (0, 4_000_000, None)]
/// [666, 1333, 0]
#[pyfunction]
#[pyo3(signature = (points, *, total_pages, kernel))]
pub(crate) fn oom_score(points: Option<i64>, total_pages: u64, kernel: (u32, u32)) -> PyResult<i64> {
    let total_pages = NonZeroU64::new(total_pages).ok_or_else(|| Trouble::out_of_range("total_pages", &total_pages, "from 1 on")).or_raise()?;
    Ok(oom_kill::oom_score(points.map_or(Badness::Unkillable, Badness::Points), total_pages, rules(kernel)))
}

/// A process (or a container, by its largest one) that might be killed.
///
/// `memory` is what it holds: resident, swapped out, page tables. Clean page cache does not belong here, although a container's
/// working set counts some of it.
///
/// Raises `InvalidInput` where `oom_score_adj` lies outside of -1000 to 1000: no process runs with it.
///
/// >>> from trimtab import node
/// >>> node.Candidate("web", oom_score_adj=750, memory="6Gi")
/// Candidate('web', oom_score_adj=750, memory=6442450944)
#[pyclass(name = "Candidate", module = "trimtab.node", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PyCandidate(Candidate<String>);

impl Hash for PyCandidate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.name, self.0.oom_score_adj, self.0.memory_bytes).hash(state);
    }
}

#[pymethods]
impl PyCandidate {
    #[new]
    #[pyo3(signature = (name, *, oom_score_adj, memory))]
    fn new(name: String, oom_score_adj: i64, memory: MemoryBytes) -> PyResult<Self> {
        let oom_score_adj = OomScoreAdj::new(oom_score_adj).or_raise()?;
        Ok(Self(Candidate { name, oom_score_adj, memory_bytes: memory.unsigned("memory")? }))
    }

    /// Who it is; not looked at.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// What the runtime wrote for it.
    #[getter]
    const fn oom_score_adj(&self) -> i16 {
        self.0.oom_score_adj.get()
    }

    /// What it holds, in bytes.
    #[getter]
    const fn memory_bytes(&self) -> u64 {
        self.0.memory_bytes
    }

    /// As plain data: `name`, `oomScoreAdj`, `memoryBytes`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// The other way round.
    #[classmethod]
    #[pyo3(signature = (data, /))]
    fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(data, "the Candidate").map(Self)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = PyString::new(py, &self.0.name).repr()?;
        Ok(format!("Candidate({name}, oom_score_adj={}, memory={})", self.0.oom_score_adj.get(), self.0.memory_bytes))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
    }
}

/// A candidate with its points: what decided, in pages.
#[pyclass(name = "Victim", module = "trimtab.node", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PyVictim {
    candidate: PyCandidate,
    points: i64,
}

#[pymethods]
impl PyVictim {
    #[new]
    #[pyo3(signature = (candidate, *, points))]
    fn new(candidate: &Bound<'_, PyCandidate>, points: i64) -> Self {
        Self { candidate: candidate.get().clone(), points }
    }

    /// Who it is.
    #[getter]
    fn candidate(&self) -> PyCandidate {
        self.candidate.clone()
    }

    /// The name of the candidate.
    #[getter]
    fn name(&self) -> &str {
        self.candidate.name()
    }

    /// What decided, in pages.
    #[getter]
    const fn points(&self) -> i64 {
        self.points
    }

    /// As plain data: `candidate`, `points`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &oom_kill::Victim { candidate: &self.candidate.0, points: self.points })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Victim({}, points={})", self.candidate.__repr__(py)?, self.points))
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((PyCandidate,), Bound<'py, PyDict>)> {
        let named = PyDict::new(py);
        named.set_item("points", self.points)?;
        Ok(((self.candidate(),), named))
    }
}

/// What memory ran out: the node's, or that of a cgroup with a limit. Made by `node`, `cgroup` or `with_pages`.
///
/// >>> from trimtab import node
/// >>> node.OomDomain.node("16Gi").pages, node.OomDomain.cgroup("512Mi").pages
/// (4194304, 131072)
#[pyclass(name = "OomDomain", module = "trimtab.node", frozen, eq, hash)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PyOomDomain {
    domain: OomDomain,
    /// What it was made of, to be made again.
    total_bytes: u64,
    page_bytes: u64,
}

impl Hash for PyOomDomain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.total_bytes, self.page_bytes).hash(state);
    }
}

impl PyOomDomain {
    /// The size of a page where nobody says another.
    const PAGE_BYTES: u64 = 4096;
}

#[pymethods]
impl PyOomDomain {
    /// A node, with pages of 4096 bytes: all of its memory and all of its swap, used or not.
    #[staticmethod]
    #[pyo3(signature = (memory, *, swap = None))]
    fn node(memory: MemoryBytes, swap: Option<MemoryBytes>) -> PyResult<Self> {
        let (memory, swap) = (memory.unsigned("memory")?, swap.map_or(Ok(0), |swap| swap.unsigned("swap"))?);
        let domain = OomDomain::node(memory, swap).or_raise()?;
        Ok(Self { domain, total_bytes: memory.saturating_add(swap), page_bytes: Self::PAGE_BYTES })
    }

    /// A cgroup, with pages of 4096 bytes: its memory limit, and what it may swap on top.
    #[staticmethod]
    #[pyo3(signature = (limit, /))]
    fn cgroup(limit: MemoryBytes) -> PyResult<Self> {
        let total_bytes = limit.unsigned("limit")?;
        Ok(Self { domain: OomDomain::cgroup(total_bytes).or_raise()?, total_bytes, page_bytes: Self::PAGE_BYTES })
    }

    /// Any amount and any size of pages (64 KiB on some arm64 and ppc64le).
    #[staticmethod]
    #[pyo3(signature = (total_bytes, page_bytes))]
    fn with_pages(total_bytes: u64, page_bytes: u64) -> PyResult<Self> {
        Ok(Self { domain: OomDomain::with_pages(total_bytes, page_bytes).or_raise()?, total_bytes, page_bytes })
    }

    /// How many pages there are; at least one.
    #[getter]
    fn pages(&self) -> u64 {
        self.domain.pages()
    }

    fn __repr__(&self) -> String {
        format!("OomDomain.with_pages({}, {})", self.total_bytes, self.page_bytes)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (u64, u64))> {
        Ok((py.get_type::<Self>().getattr("with_pages")?, (self.total_bytes, self.page_bytes)))
    }
}

/// The argument `privilege`.
pub(crate) struct Who(Privilege);

impl Who {
    const NONE: Self = Self(Privilege::None);
}

impl<'py> FromPyObject<'_, 'py> for Who {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyString>()?.to_string_lossy().as_ref() {
            "none" => Ok(Self(Privilege::None)),
            "sysAdmin" => Ok(Self(Privilege::SysAdmin)),
            other => Err(Trouble::out_of_range("privilege", &other, "among none and sysAdmin").into()),
        }
    }
}

fn rules((major, minor): (u32, u32)) -> KernelRules {
    KernelRules::at(major, minor)
}
