//! The one loop that carries out a plan.

use std::future::Future;

use crate::plan::{Domain, Outcome, Plan, Report, Reported, Step};

/// The hands of a domain: looks and acts, decides nothing.
pub trait Site<D: Domain> {
    /// Looks afresh, right before `step`. May wait for something that an earlier run has left going on.
    ///
    /// # Errors
    /// Why nothing could be seen.
    fn look(&mut self, step: &Step<D>, progress: &mut (dyn FnMut(String) + Send)) -> impl Future<Output = Result<D::Seen, D::Failure>> + Send;

    /// Carries out one action, once; never repeats it by itself.
    ///
    /// # Errors
    /// Why the effect does not hold.
    fn act(&mut self, action: &D::Action, progress: &mut (dyn FnMut(String) + Send)) -> impl Future<Output = Result<(), D::Failure>> + Send;
}

/// What an observer is told while a plan is applied.
#[derive(Debug)]
pub enum Event<'a, D: Domain> {
    /// A step begins.
    Begun {
        /// Its place in the plan, from 0.
        index: usize,
        /// The step.
        step: &'a Step<D>,
    },
    /// A long step has something to say.
    Progress {
        /// The place of the step, from 0.
        index: usize,
        /// What, for people.
        message: String,
    },
    /// A step has ended.
    Ended {
        /// Its place in the plan, from 0.
        index: usize,
        /// How.
        outcome: &'a Outcome<D>,
    },
}

/// Carries out `plan` step by step and reports one outcome for each; it never fails as a whole.
///
/// Right before a step the site is looked at again: where the effect already holds, the step is done without acting; where a
/// guard does not hold, it is refused. A refusal or a failure ends the plan unless the domain says otherwise.
/// Dropping the future is safe at any point: what was begun is found by the next look.
pub async fn apply<D, S, O>(plan: &Plan<D>, site: &mut S, mut observer: O) -> Report<D>
where
    D: Domain,
    S: Site<D>,
    O: FnMut(Event<'_, D>) + Send,
{
    let mut acted = Vec::new();
    let mut goes_on = true;
    let mut steps = Vec::with_capacity(plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let outcome = if goes_on {
            observer(Event::Begun { index, step });
            take(step, site, &acted, &mut |message| observer(Event::Progress { index, message })).await
        } else {
            Outcome::NotReached
        };
        match &outcome {
            Outcome::Done { acted: true } => acted.push(step.action.clone()),
            Outcome::Done { acted: false } | Outcome::NotReached => {}
            Outcome::Refused { .. } | Outcome::Failed { .. } => goes_on = D::goes_on_after(&outcome),
        }
        observer(Event::Ended { index, outcome: &outcome });
        steps.push(Reported { target: step.target.clone(), action: step.action.clone(), outcome });
    }
    Report { subject: plan.subject.clone(), steps, held: plan.held.clone() }
}

async fn take<D: Domain, S: Site<D>>(step: &Step<D>, site: &mut S, acted: &[D::Action], progress: &mut (dyn FnMut(String) + Send)) -> Outcome<D> {
    let seen = match site.look(step, progress).await {
        Ok(seen) => seen,
        Err(failure) => return Outcome::Failed { failure },
    };
    if D::effect_holds(&step.action, &seen, acted) {
        return Outcome::Done { acted: false };
    }
    for guard in &step.guards {
        if let Err(found) = D::check(guard, &seen) {
            return Outcome::Refused { guard: guard.clone(), found };
        }
    }
    match site.act(&step.action, progress).await {
        Ok(()) => Outcome::Done { acted: true },
        Err(failure) => Outcome::Failed { failure },
    }
}

impl<D: Domain> Plan<D> {
    /// Carries out this plan: [`apply`], as a method.
    pub async fn apply<S, O>(&self, site: &mut S, observer: O) -> Report<D>
    where
        S: Site<D>,
        O: FnMut(Event<'_, D>) + Send,
    {
        apply(self, site, observer).await
    }
}
