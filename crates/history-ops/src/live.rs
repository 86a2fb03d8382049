//! The network and the disk: looks at a cluster's history, and carries a plan out.
//!
//! ```no_run
//! use trimtab_history_ops::live::{Cluster, Journal, Pace};
//! use trimtab_history_ops::{Policy, plan};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::connect(None, None).await?;
//! let policy = Policy::new("1.34".parse()?);
//! let seen = cluster.observe(&policy, |page| println!("{page}")).await?;
//! let plan = plan(&seen, &policy, cluster.now())?;
//! println!("{plan}");
//! let journal = Journal::open("pruning.jsonl".as_ref())?;
//! println!("{}", cluster.apply(&plan, &journal, &Pace::default(), |_| ()).await);
//! # Ok(())
//! # }
//! ```

mod act;
mod api;
mod floor;
mod journal;
mod lines;
mod observe;
mod owner;
mod pace;
mod private;
mod restore;
mod siblings;

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use trimtab_core::apply::{Event, apply_in_lanes};
use trimtab_core::plan::Report;

use crate::error::Error;
use crate::pruning::{Pruning, PruningPlan};

use act::Hands;
use api::Api;

pub use journal::{Backup, Journal};
pub use pace::Pace;
pub use restore::Backups;

/// A cluster's API server.
#[derive(Clone)]
pub struct Cluster {
    api: Api,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// Connects as `kubectl` would: by this kubeconfig, else by `$KUBECONFIG`, `~/.kube/config`, or from inside of a pod. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] where none can be used.
    pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, Error> {
        let unusable = |problem: &(dyn std::error::Error + 'static)| Error::Kubeconfig {
            path: kubeconfig.map_or_else(|| "by default".to_owned(), |path| path.display().to_string()),
            problem: private::told(problem),
        };
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let mut config = match (kubeconfig, context) {
            (Some(path), _) => {
                let read = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
                Config::from_custom_kubeconfig(read, &options).await.map_err(|error| unusable(&error))?
            }
            (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| unusable(&error))?,
            (None, None) => Config::infer().await.map_err(|error| unusable(&error))?,
        };
        // It would repeat deletions up to fifteen times, behind our back.
        config.default_retry = false;
        config.read_timeout = Some(api::PATIENCE);
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self::of(client))
    }

    /// Over a client of the caller's own. Its `default_retry` should be off: it repeats every request, deletions among them.
    #[must_use]
    pub fn of(client: Client) -> Self {
        Self { api: Api::new(client) }
    }

    /// The time by this machine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Carries out a plan and reports one outcome for each step.
    ///
    /// For each object: it is read again, the guards are checked, the whole object is written to the journal and synced to the disk, and it is deleted with
    /// its uid and resourceVersion as preconditions. What somebody else changed meanwhile is left alone. Killing the process is safe at any point: with the
    /// same journal, or a new plan, the rest is done.
    pub async fn apply<O>(&self, plan: &PruningPlan, journal: &Journal, pace: &Pace, observer: O) -> Report<Pruning>
    where
        O: FnMut(Event<'_, Pruning>) + Send,
    {
        let shared = act::Shared::new(self.api.clone(), Some(journal.clone()), pace);
        self.run(plan, &shared, pace, observer).await
    }

    /// Asks the API server whether it would carry out a plan: every check, admission and preconditions among them, and nothing is deleted or written.
    pub async fn dry_run<O>(&self, plan: &PruningPlan, pace: &Pace, observer: O) -> Report<Pruning>
    where
        O: FnMut(Event<'_, Pruning>) + Send,
    {
        let shared = act::Shared::new(self.api.clone(), None, pace);
        let mut report = self.run(plan, &shared, pace, observer).await;
        report.subject.insert_str(0, "dry run of the ");
        report
    }

    async fn run<O>(&self, plan: &PruningPlan, shared: &std::sync::Arc<act::Shared>, pace: &Pace, observer: O) -> Report<Pruning>
    where
        O: FnMut(Event<'_, Pruning>) + Send,
    {
        let mut hands: Vec<Hands> = (0..pace.width()).map(|_| Hands::new(shared)).collect();
        apply_in_lanes(plan, &mut hands, pace.most_failures.get(), observer).await
    }
}
