//! The classes of a plan: one set for each domain of actions, since a plan, its steps and its report belong together.

use serde::{Deserialize, Serialize};
use trimtab::apply::Event;
use trimtab::plan::Domain;
use trimtab::{Outcome, Plan, Step};

/// `Plan`, `Step`, `Held`, `Notice`, `Report`, `Reported` and `Event` of one domain; of `trimtab.etcd`, unless `in "trimtab.certs";` comes first.
macro_rules! plan_classes {
    (
        in $module:tt; $domain:ty; applied to $target:ident as $argument:ident, $afterwards:expr;
        $(#[$plan_doc:meta])* plan $plan:ident as $plan_name:tt;
        $(#[$apply_doc:meta])* apply;
        $(#[$action_doc:meta])* action;
        step $step:ident as $step_name:tt;
        held $held:ident as $held_name:tt;
        notice $notice:ident as $notice_name:tt;
        report $report:ident as $report_name:tt;
        reported $reported:ident as $reported_name:tt;
        event $event:ident as $event_name:tt;
    ) => {
        data_class! {
            in $module;
            $(#[$plan_doc])*
            $plan(trimtab::Plan<$domain>) as $plan_name {
                /// What the plan is about, for people.
                #[getter]
                fn subject(&self) -> &str {
                    &self.0.subject
                }

                /// What whoever applies the plan has to know first.
                #[getter]
                fn notices(&self) -> Vec<$notice> {
                    self.0.notices.iter().cloned().map($notice).collect()
                }

                /// What is done, in this order.
                #[getter]
                fn steps(&self) -> Vec<$step> {
                    self.0.steps.iter().cloned().map($step).collect()
                }

                /// What is not done, each with its reason.
                #[getter]
                fn held(&self) -> Vec<$held> {
                    self.0.held.iter().cloned().map($held).collect()
                }

                /// Whether there is no step: nothing to do, or nothing that may be done; `is_blocked` tells which.
                #[getter]
                fn is_empty(&self) -> bool {
                    self.0.is_empty()
                }

                /// Whether something that the goal needs is held back.
                #[getter]
                fn is_blocked(&self) -> bool {
                    self.0.is_blocked()
                }

                $(#[$apply_doc])*
                #[pyo3(signature = ($argument, /, *, progress = None))]
                fn apply(&self, py: Python<'_>, $argument: &Bound<'_, $target>, progress: Option<Py<PyAny>>) -> PyResult<$report> {
                    $argument.get().apply(py, self.0.clone(), progress, $afterwards, $event).map($report)
                }

                fn __bool__(&self) -> bool {
                    !self.0.is_empty()
                }

                fn __str__(&self) -> String {
                    self.0.to_string()
                }

                fn __repr__(&self) -> String {
                    format!("<{} {:?}: {} steps, {} held back>", $plan_name, self.0.subject, self.0.steps.len(), self.0.held.len())
                }
            }
        }

        data_class! {
            in $module;
            /// One action of a plan and the guards that are checked again right before it.
            $step(trimtab::Step<$domain>) as $step_name {
                /// What is acted on, for people.
                #[getter]
                fn target(&self) -> &str {
                    &self.0.target
                }

                $(#[$action_doc])*
                #[getter]
                fn action<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                    write_dict(py, &self.0.action)
                }

                /// What has to hold right before, in words.
                #[getter]
                fn guards(&self) -> Vec<String> {
                    self.0.guards.iter().map(ToString::to_string).collect()
                }

                fn __str__(&self) -> String {
                    format!("{}: {}", self.0.target, self.0.action)
                }

                fn __repr__(&self) -> String {
                    format!("<{} {}: {}>", $step_name, self.0.target, self.0.action)
                }
            }
        }

        data_class! {
            in $module;
            /// Something that is not done, and why.
            $held(trimtab::Held<$domain>) as $held_name {
                /// What is left alone, for people.
                #[getter]
                fn target(&self) -> &str {
                    &self.0.target
                }

                /// Why: its name under `reason`, and its numbers.
                #[getter]
                fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                    write_dict(py, &self.0.reason)
                }

                /// Whether it keeps the goal of the plan out of reach; false where there is only nothing to do.
                #[getter]
                fn is_obstacle(&self) -> bool {
                    <$domain as trimtab::plan::Domain>::is_obstacle(&self.0.reason)
                }

                fn __str__(&self) -> String {
                    self.0.to_string()
                }

                fn __repr__(&self) -> String {
                    format!("<{} {}: {}>", $held_name, self.0.target, self.0.reason)
                }
            }
        }

        data_class! {
            in $module;
            /// What whoever applies a plan has to know first: an outage, a price.
            $notice(<$domain as trimtab::plan::Domain>::Notice) as $notice_name {
                fn __str__(&self) -> String {
                    self.0.to_string()
                }

                fn __repr__(&self) -> String {
                    format!("<{} {}>", $notice_name, self.0)
                }
            }
        }

        data_class! {
            in $module;
            /// One outcome per step, in the order of the plan. `str()` reads as a transcript.
            $report(trimtab::Report<$domain>) as $report_name {
                /// What the plan was about.
                #[getter]
                fn subject(&self) -> &str {
                    &self.0.subject
                }

                /// The steps with their outcomes.
                #[getter]
                fn steps(&self) -> Vec<$reported> {
                    self.0.steps.iter().cloned().map($reported).collect()
                }

                /// What the plan held back.
                #[getter]
                fn held(&self) -> Vec<$held> {
                    self.0.held.iter().cloned().map($held).collect()
                }

                /// Whether the goal is reached: the effect of every step holds, and nothing that the goal needs was held back.
                #[getter]
                fn is_done(&self) -> bool {
                    self.0.is_done()
                }

                /// How many steps acted in this run.
                #[getter]
                fn acted(&self) -> usize {
                    self.0.acted()
                }

                /// The first step that was refused or failed, else `None`.
                #[getter]
                fn stopped_at(&self) -> Option<$reported> {
                    self.0.stopped_at().cloned().map($reported)
                }

                fn __str__(&self) -> String {
                    self.0.to_string()
                }

                fn __repr__(&self) -> String {
                    format!("<{} {:?}: {} steps, {} acted>", $report_name, self.0.subject, self.0.steps.len(), self.0.acted())
                }
            }
        }

        data_class! {
            in $module;
            /// A step of a plan and how it ended.
            $reported(trimtab::plan::Reported<$domain>) as $reported_name {
                /// What was acted on, for people.
                #[getter]
                fn target(&self) -> &str {
                    &self.0.target
                }

                /// What was to be done.
                #[getter]
                fn action<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                    write_dict(py, &self.0.action)
                }

                /// How it ended: `done` (with `acted`), `refused` (with `guard` and what it `found`), `failed` (with the `failure`) or
                /// `notReached` under `outcome`.
                #[getter]
                fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                    write_dict(py, &self.0.outcome)
                }

                fn __str__(&self) -> String {
                    format!("{}: {}: {}", self.0.target, self.0.action, self.0.outcome)
                }

                fn __repr__(&self) -> String {
                    format!("<{} {}: {}: {}>", $reported_name, self.0.target, self.0.action, self.0.outcome)
                }
            }
        }

        data_class! {
            in $module;
            /// What a `progress` callback is told. `str()` is a line for people.
            $event($crate::plan_classes::EventData<$domain>) as $event_name {
                /// `"begun"`, `"progress"` or `"ended"`.
                #[getter]
                fn event<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    $crate::convert::write(py, &self.0.event)
                }

                /// The place of the step in the plan, from 0; `None` where no plan is applied.
                #[getter]
                fn index(&self) -> Option<usize> {
                    self.0.index
                }

                /// The step; `None` where no plan is applied.
                #[getter]
                fn step(&self) -> Option<$step> {
                    self.0.step.clone().map($step)
                }

                /// What long work has to say; `None` unless it is `"progress"`.
                #[getter]
                fn message(&self) -> Option<&str> {
                    self.0.message.as_deref()
                }

                /// How the step ended, as a report has it; `None` unless it is `"ended"`.
                #[getter]
                fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
                    self.0.outcome.as_ref().map(|outcome| write_dict(py, outcome)).transpose()
                }

                fn __str__(&self) -> String {
                    self.0.line()
                }

                fn __repr__(&self) -> String {
                    format!("<{} {}>", $event_name, self.0.line())
                }
            }
        }
    };
    ($domain:ty; $($rest:tt)*) => {
        $crate::plan_classes::plan_classes! { in "trimtab.etcd"; $domain; $($rest)* }
    };
}

pub(crate) use plan_classes;

/// An event that owns what it tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct EventData<D: Domain> {
    pub(crate) event: Kind,
    pub(crate) index: Option<usize>,
    pub(crate) step: Option<Step<D>>,
    pub(crate) message: Option<String>,
    pub(crate) outcome: Option<Outcome<D>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Begun,
    Progress,
    Ended,
}

impl<D: Domain> EventData<D> {
    /// Of work that is no plan's.
    pub(crate) const fn said(message: String) -> Self {
        Self { event: Kind::Progress, index: None, step: None, message: Some(message), outcome: None }
    }

    pub(crate) fn of(event: &Event<'_, D>, plan: &Plan<D>) -> Self {
        let at = |event, index: usize| Self { event, index: Some(index), step: plan.steps.get(index).cloned(), message: None, outcome: None };
        match event {
            Event::Begun { index, .. } => at(Kind::Begun, *index),
            Event::Progress { index, message } => Self { message: Some(message.clone()), ..at(Kind::Progress, *index) },
            Event::Ended { index, outcome } => Self { outcome: Some((*outcome).clone()), ..at(Kind::Ended, *index) },
        }
    }

    pub(crate) fn line(&self) -> String {
        let place = self.index.map(|index| format!("{}. ", index + 1)).unwrap_or_default();
        let target = self.step.as_ref().map(|step| format!("{}: ", step.target)).unwrap_or_default();
        let said = self.step.as_ref().map(|step| step.action.to_string()).unwrap_or_default();
        let said = self.outcome.as_ref().map(ToString::to_string).or_else(|| self.message.clone()).unwrap_or(said);
        format!("{place}{target}{said}")
    }
}
