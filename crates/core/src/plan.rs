//! The grammar of every action: what will be done, under which guards, and what is held back with its reason.
//!
//! A [`Plan`] is plain data: the same observation, policy and clock give the same plan, it survives a round trip through
//! serde, and it says everything that [`apply`](crate::apply::apply) will do. A domain of actions (etcd maintenance, certificate
//! renewal, history pruning) is described once by [`Domain`].

use std::fmt::{self, Debug, Display};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a value inside of a plan or a report can do: be shown, compared, stored.
pub trait Noun: Clone + Debug + PartialEq + Display + Serialize + DeserializeOwned + Send + Sync {}

impl<T> Noun for T where T: Clone + Debug + PartialEq + Display + Serialize + DeserializeOwned + Send + Sync {}

/// One field of work: its nouns, and the pure decisions that are made about them.
///
/// The decisions live here and see only an observation; the hands live in [`Site`](crate::apply::Site).
pub trait Domain: Clone + Debug + PartialEq + Send + Sync {
    /// What a step does.
    type Action: Noun;
    /// What has to hold right before a step acts.
    type Guard: Noun;
    /// What a guard found instead.
    type Refusal: Noun;
    /// Why something is not done.
    type Reason: Noun;
    /// What the plan announces before it is applied: an outage, a price.
    type Notice: Noun;
    /// Why an action or an observation failed.
    type Failure: Noun;
    /// What is seen right before a step.
    type Seen: Send;

    /// Whether the effect of `action` already holds, so that nothing is left to do.
    /// `acted` are the actions that this run has carried out before.
    fn effect_holds(action: &Self::Action, seen: &Self::Seen, acted: &[Self::Action]) -> bool;

    /// Checks one guard against a fresh observation.
    ///
    /// # Errors
    /// What was found instead.
    fn check(guard: &Self::Guard, seen: &Self::Seen) -> Result<(), Self::Refusal>;

    /// Whether this guard tells what the plan is about at all. Such a guard is checked before anything else: on another cluster no
    /// effect "already holds".
    fn is_identity(guard: &Self::Guard) -> bool {
        let _ = guard;
        false
    }

    /// Whether something that is held back for this reason keeps the goal of the plan out of reach; false where it only needs nothing.
    fn is_obstacle(reason: &Self::Reason) -> bool;

    /// Whether a failure counts towards those after which a plan in lanes is given up.
    fn counts(failure: &Self::Failure) -> bool {
        let _ = failure;
        true
    }

    /// Whether the steps after this outcome still make sense. Only asked after a refusal or a failure.
    fn goes_on_after(outcome: &Outcome<Self>) -> bool {
        let _ = outcome;
        false
    }
}

/// What will be done, step by step, and what will not be done and why.
///
/// Printed, it reads as a transcript: the notices first, then the steps with their guards, then what is held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Plan<D: Domain> {
    /// What the plan is about, for people: `rescue of etcd cluster cdf818194e3a8c32`.
    pub subject: String,
    /// What whoever applies the plan has to know first.
    pub notices: Vec<D::Notice>,
    /// What is done, in this order.
    pub steps: Vec<Step<D>>,
    /// What is not done, each with its reason.
    pub held: Vec<Held<D>>,
}

/// One action and the guards that are checked again right before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Step<D: Domain> {
    /// What is acted on, for people: a member, a file, an object.
    pub target: String,
    /// What is done.
    pub action: D::Action,
    /// What has to hold right before.
    pub guards: Vec<D::Guard>,
}

/// Something that is not done, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Held<D: Domain> {
    /// What is left alone, for people.
    pub target: String,
    /// Why, with its numbers.
    pub reason: D::Reason,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase", tag = "outcome")]
pub enum Outcome<D: Domain> {
    /// The effect holds.
    Done {
        /// False where it held before, and nothing was done.
        acted: bool,
    },
    /// A guard did not hold; nothing was done.
    Refused {
        /// The guard.
        guard: D::Guard,
        /// What it found.
        found: D::Refusal,
    },
    /// The action, or the look before it, failed.
    Failed {
        /// Why.
        failure: D::Failure,
    },
    /// An earlier step ended the plan.
    NotReached,
}

/// One outcome per step, in the order of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Report<D: Domain> {
    /// What the plan was about.
    pub subject: String,
    /// The steps with their outcomes.
    pub steps: Vec<Reported<D>>,
    /// What the plan held back.
    pub held: Vec<Held<D>>,
}

/// A step of a plan and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "camelCase")]
pub struct Reported<D: Domain> {
    /// What was acted on.
    pub target: String,
    /// What was to be done.
    pub action: D::Action,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome<D>,
}

impl<D: Domain> Plan<D> {
    /// Whether there is no step: nothing to do, or nothing that may be done; [`Self::is_blocked`] tells which.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether something that the goal needs is held back.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.held.iter().any(|held| D::is_obstacle(&held.reason))
    }

    /// The guards of every step that has any, to be told once.
    fn common_guards(&self) -> Vec<&D::Guard> {
        let mut guarded = self.steps.iter().map(|step| &step.guards).filter(|guards| !guards.is_empty());
        let first: Vec<&D::Guard> = guarded.next().into_iter().flatten().collect();
        let rest: Vec<&Vec<D::Guard>> = guarded.collect();
        first.into_iter().filter(|guard| rest.iter().all(|guards| guards.contains(guard))).collect()
    }
}

impl<D: Domain> Report<D> {
    /// Whether the goal is reached: the effect of every step holds, and nothing that the goal needs was held back.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let blocked = self.held.iter().any(|held| D::is_obstacle(&held.reason));
        !blocked && self.steps.iter().all(|step| matches!(step.outcome, Outcome::Done { .. }))
    }

    /// How many steps acted in this run.
    #[must_use]
    pub fn acted(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.outcome, Outcome::Done { acted: true })).count()
    }

    /// The first step that was refused or failed.
    #[must_use]
    pub fn stopped_at(&self) -> Option<&Reported<D>> {
        self.steps.iter().find(|step| match step.outcome {
            Outcome::Refused { .. } | Outcome::Failed { .. } => true,
            Outcome::Done { .. } | Outcome::NotReached => false,
        })
    }
}

impl<D: Domain> Display for Plan<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.subject)?;
        for notice in &self.notices {
            writeln!(f, "  notice: {notice}")?;
        }
        if self.steps.is_empty() {
            writeln!(f, "  {}", if self.is_blocked() { "nothing may be done" } else { "nothing to do" })?;
        }
        let common = self.common_guards();
        if let [first, rest @ ..] = common.as_slice() {
            write!(f, "  before each step: only if {first}")?;
            rest.iter().try_for_each(|guard| write!(f, "; {guard}"))?;
            writeln!(f)?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {}: {}", index + 1, step.target, step.action)?;
            for guard in step.guards.iter().filter(|guard| !common.contains(guard)) {
                writeln!(f, "       only if {guard}")?;
            }
        }
        self.held.iter().try_for_each(|held| writeln!(f, "  {held}"))
    }
}

impl<D: Domain> Display for Held<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held back: {}: {}", self.target, self.reason)
    }
}

impl<D: Domain> Display for Outcome<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { acted: true } => f.write_str("done"),
            Self::Done { acted: false } => f.write_str("already so, nothing done"),
            Self::Refused { guard, found } => write!(f, "refused: not true that {guard}: {found}"),
            Self::Failed { failure } => write!(f, "failed: {failure}"),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}

impl<D: Domain> Display for Report<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "report: {}", self.subject)?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {}: {}: {}", index + 1, step.target, step.action, step.outcome)?;
        }
        self.held.iter().try_for_each(|held| writeln!(f, "  {held}"))
    }
}
