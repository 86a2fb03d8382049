//! The one loop that carries out a plan, and the same in several lanes for steps that do not depend on each other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

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

/// Carries out `plan` as [`apply`] does, with several sites at once: each takes the next step that nobody has taken. Only for plans whose steps do not depend
/// on each other; no step is told what the others have done.
///
/// After `most_failures` failures, or an outcome after which the domain does not go on, no further step is begun; those under way end. Steps are begun in
/// the plan's order. With no site nothing is reached.
pub async fn apply_in_lanes<D, S, O>(plan: &Plan<D>, sites: &mut [S], most_failures: usize, observer: O) -> Report<D>
where
    D: Domain,
    S: Site<D> + Send,
    O: FnMut(Event<'_, D>) + Send,
{
    let board = Board {
        next: AtomicUsize::new(0),
        failures: AtomicUsize::new(0),
        most_failures,
        observer: Mutex::new(observer),
        outcomes: Mutex::new(Vec::new()),
    };
    let mut lanes: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
    for site in sites {
        lanes.push(Box::pin(lane(plan, site, &board)));
    }
    poll_fn(|context| {
        lanes.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
        if lanes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(lanes);
    let mut outcomes = board.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    let mut outcomes = outcomes.into_iter().peekable();
    let mut outcome = |index: usize| outcomes.next_if(|(done, _)| *done == index).map_or(Outcome::NotReached, |(_, outcome)| outcome);
    let reported = |(index, step): (usize, &Step<D>)| Reported { target: step.target.clone(), action: step.action.clone(), outcome: outcome(index) };
    let steps = plan.steps.iter().enumerate().map(reported).collect();
    Report { subject: plan.subject.clone(), steps, held: plan.held.clone() }
}

/// What the lanes share.
struct Board<D: Domain, O> {
    next: AtomicUsize,
    failures: AtomicUsize,
    most_failures: usize,
    observer: Mutex<O>,
    outcomes: Mutex<Vec<(usize, Outcome<D>)>>,
}

impl<D: Domain, O> Board<D, O> {
    /// An observer that panics ends its own lane; the others go on.
    fn observer(&self) -> MutexGuard<'_, O> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, index: usize, outcome: Outcome<D>) {
        let goes_on = match &outcome {
            Outcome::Done { .. } | Outcome::NotReached => true,
            Outcome::Refused { .. } => D::goes_on_after(&outcome),
            Outcome::Failed { failure } => {
                let counted = usize::from(D::counts(failure));
                self.failures.fetch_add(counted, Ordering::Relaxed) + counted < self.most_failures && D::goes_on_after(&outcome)
            }
        };
        if !goes_on {
            self.next.store(usize::MAX / 2, Ordering::Relaxed);
        }
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
    }
}

async fn lane<D: Domain, S: Site<D>, O: FnMut(Event<'_, D>) + Send>(plan: &Plan<D>, site: &mut S, board: &Board<D, O>) {
    loop {
        let index = board.next.fetch_add(1, Ordering::Relaxed);
        let Some(step) = plan.steps.get(index) else { return };
        (*board.observer())(Event::Begun { index, step });
        let mut progress = |message| (*board.observer())(Event::Progress { index, message });
        let outcome = take(step, site, &[], &mut progress).await;
        (*board.observer())(Event::Ended { index, outcome: &outcome });
        board.note(index, outcome);
    }
}

async fn take<D: Domain, S: Site<D>>(step: &Step<D>, site: &mut S, acted: &[D::Action], progress: &mut (dyn FnMut(String) + Send)) -> Outcome<D> {
    let seen = match site.look(step, progress).await {
        Ok(seen) => seen,
        Err(failure) => return Outcome::Failed { failure },
    };
    let (identity, others): (Vec<_>, Vec<_>) = step.guards.iter().partition(|guard| D::is_identity(guard));
    if let Some(refused) = first_refusal(&identity, &seen) {
        return refused;
    }
    if D::effect_holds(&step.action, &seen, acted) {
        return Outcome::Done { acted: false };
    }
    if let Some(refused) = first_refusal(&others, &seen) {
        return refused;
    }
    match site.act(&step.action, progress).await {
        Ok(()) => Outcome::Done { acted: true },
        Err(failure) => Outcome::Failed { failure },
    }
}

fn first_refusal<D: Domain>(guards: &[&D::Guard], seen: &D::Seen) -> Option<Outcome<D>> {
    guards.iter().find_map(|guard| D::check(guard, seen).err().map(|found| Outcome::Refused { guard: (*guard).clone(), found }))
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

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::plan::Held;

    /// A row of lamps: the plan switches some on, under the guard that the mains are up.
    #[derive(Debug, Clone, PartialEq)]
    enum Lamps {}

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Word(String);

    impl fmt::Display for Word {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    fn word(text: &str) -> Word {
        Word(text.to_owned())
    }

    impl Domain for Lamps {
        type Action = Word;
        type Guard = Word;
        type Refusal = Word;
        type Reason = Word;
        type Notice = Word;
        type Failure = Word;
        type Seen = Vec<String>;

        fn effect_holds(action: &Word, seen: &Vec<String>, _acted: &[Word]) -> bool {
            seen.contains(&action.0)
        }

        fn check(guard: &Word, seen: &Vec<String>) -> Result<(), Word> {
            if seen.contains(&guard.0) { Ok(()) } else { Err(word("off")) }
        }

        fn is_identity(guard: &Word) -> bool {
            guard.0 == "this house"
        }

        fn is_obstacle(reason: &Word) -> bool {
            reason.0 == "broken"
        }
    }

    #[derive(Default)]
    struct Room {
        on: Vec<String>,
        looks: usize,
        breaks_at: Option<&'static str>,
    }

    impl Site<Lamps> for Room {
        async fn look(&mut self, _step: &Step<Lamps>, _progress: &mut (dyn FnMut(String) + Send)) -> Result<Vec<String>, Word> {
            self.looks += 1;
            Ok(self.on.clone())
        }

        async fn act(&mut self, action: &Word, progress: &mut (dyn FnMut(String) + Send)) -> Result<(), Word> {
            progress(format!("switching {action}"));
            if self.breaks_at == Some(action.0.as_str()) {
                return Err(word("the fuse blew"));
            }
            self.on.push(action.0.clone());
            Ok(())
        }
    }

    fn plan() -> Plan<Lamps> {
        let step = |name: &str| Step { target: format!("lamp {name}"), action: word(name), guards: vec![word("mains")] };
        let held = vec![Held { target: "lamp d".to_owned(), reason: word("not needed") }];
        Plan { subject: "light".to_owned(), notices: Vec::new(), steps: vec![step("a"), step("b"), step("c")], held }
    }

    fn room(on: &[&str]) -> Room {
        Room { on: on.iter().map(ToString::to_string).collect(), ..Room::default() }
    }

    fn run(plan: &Plan<Lamps>, room: &mut Room) -> (Report<Lamps>, Vec<String>) {
        let mut heard = Vec::new();
        let observer = |event: Event<'_, Lamps>| match event {
            Event::Begun { index, .. } => heard.push(format!("{index} begun")),
            Event::Progress { index, message } => heard.push(format!("{index} {message}")),
            Event::Ended { index, outcome } => heard.push(format!("{index} {outcome}")),
        };
        let report = match pin!(plan.apply(room, observer)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(report) => report,
            Poll::Pending => panic!("nothing in this room waits"),
        };
        (report, heard)
    }

    fn run_in_lanes(plan: &Plan<Lamps>, rooms: &mut [Room], most_failures: usize) -> (Report<Lamps>, usize) {
        let mut begun = 0;
        let observer = |event: Event<'_, Lamps>| begun += usize::from(matches!(event, Event::Begun { .. }));
        let report = match pin!(apply_in_lanes(plan, rooms, most_failures, observer)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(report) => report,
            Poll::Pending => panic!("nothing in these rooms waits"),
        };
        (report, begun)
    }

    #[test]
    fn lanes_do_every_step_once_and_report_in_the_plans_order() {
        let mut rooms = [room(&["mains"]), room(&["mains"])];
        let (report, begun) = run_in_lanes(&plan(), &mut rooms, 1);
        assert_eq!((report.is_done(), report.acted(), begun), (true, 3, 3));
        assert_eq!(rooms.iter().map(|room| room.looks).sum::<usize>(), 3);
        assert_eq!(report.steps.iter().map(|step| step.target.as_str()).collect::<Vec<_>>(), ["lamp a", "lamp b", "lamp c"]);
    }

    #[test]
    fn lanes_begin_nothing_after_too_many_failures() {
        let broken = || Room { breaks_at: Some("a"), ..room(&["mains"]) };
        let (report, begun) = run_in_lanes(&plan(), &mut [broken()], 1);
        assert_eq!((begun, report.steps[1].outcome.to_string().as_str()), (1, "not reached"));
        let (report, begun) = run_in_lanes(&plan(), &mut [], 1);
        assert_eq!((begun, report.acted()), (0, 0));
    }

    #[test]
    fn every_step_is_done_in_order_and_told() {
        let (report, heard) = run(&plan(), &mut room(&["mains"]));
        assert!(report.is_done());
        assert_eq!(report.acted(), 3);
        assert_eq!(heard[..4], ["0 begun", "0 switching a", "0 done", "1 begun"]);
    }

    #[test]
    fn what_holds_already_is_done_without_acting() {
        let mut room = room(&["mains", "b"]);
        let (report, _) = run(&plan(), &mut room);
        assert_eq!((report.is_done(), report.acted()), (true, 2));
        let (again, _) = run(&plan(), &mut room);
        assert_eq!((again.is_done(), again.acted()), (true, 0));
        assert_eq!(room.looks, 6, "the room is looked at before each step");
    }

    #[test]
    fn a_guard_that_fails_ends_the_plan_and_touches_nothing() {
        let mut room = room(&["a"]);
        let (report, _) = run(&plan(), &mut room);
        let outcomes: Vec<String> = report.steps.iter().map(|step| step.outcome.to_string()).collect();
        assert_eq!(outcomes, ["already so, nothing done", "refused: not true that mains: off", "not reached"]);
        assert_eq!(room.on, ["a"]);
        assert!(!report.is_done());
    }

    #[test]
    fn in_another_house_nothing_holds_already() {
        let mut plan = plan();
        plan.steps.iter_mut().for_each(|step| step.guards.push(word("this house")));
        let (report, _) = run(&plan, &mut room(&["mains", "a", "b", "c"]));
        assert!(!report.is_done());
        assert_eq!(report.steps[0].outcome.to_string(), "refused: not true that this house: off");
        let (report, _) = run(&plan, &mut room(&["this house", "a", "b", "c"]));
        assert!(report.is_done(), "what holds already needs no mains: {report}");
    }

    #[test]
    fn a_failure_ends_the_plan_and_a_second_run_finishes_it() {
        let mut room = Room { breaks_at: Some("b"), ..room(&["mains"]) };
        let (report, _) = run(&plan(), &mut room);
        assert_eq!(report.stopped_at().map(|step| step.outcome.to_string()).as_deref(), Some("failed: the fuse blew"));
        room.breaks_at = None;
        let (report, _) = run(&plan(), &mut room);
        assert_eq!((report.is_done(), report.acted()), (true, 2));
    }

    #[test]
    fn what_is_held_back_as_an_obstacle_is_not_done() {
        let mut blocked = plan();
        blocked.held[0].reason = word("broken");
        assert!(blocked.is_blocked() && !plan().is_blocked());
        let (report, _) = run(&blocked, &mut room(&["mains"]));
        assert!(!report.is_done());
    }

    #[test]
    fn plans_and_reports_survive_a_round_trip() {
        let (report, _) = run(&plan(), &mut room(&["a"]));
        let text = serde_json::to_string(&(plan(), &report)).unwrap();
        let back: (Plan<Lamps>, Report<Lamps>) = serde_json::from_str(&text).unwrap();
        assert_eq!(back, (plan(), report));
    }
}
