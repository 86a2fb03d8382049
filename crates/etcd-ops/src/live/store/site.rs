//! Carries out the steps of a retention.

use std::collections::BTreeSet;

use futures_util::stream::{self as streams, StreamExt, TryStreamExt};
use trimtab_core::apply::Site;
use trimtab_core::plan::Step;

use super::{Progress, SIDECARS_AT_A_TIME, Store};
use crate::backup::catalog::Object;
use crate::backup::name::ObjectName;
use crate::backup::retention::{Action, Guard, Retention, StoreSeen};
use crate::error::Error;

impl Site<Retention> for Store {
    /// Looks at the objects that the step and its guards name, one by one: a store lists much, and the plan knows what it is about.
    async fn look(&mut self, step: &Step<Retention>, _progress: Progress<'_>) -> Result<StoreSeen, Error> {
        let store = &*self;
        let look = |name: String| async move { store.look(&name).await };
        let looked = streams::iter(named(step)).map(look).buffer_unordered(SIDECARS_AT_A_TIME);
        let objects: Vec<Option<Object>> = looked.try_collect().await?;
        Ok(StoreSeen { location: self.location.clone(), objects: objects.into_iter().flatten().collect() })
    }

    async fn act(&mut self, action: &Action, _progress: Progress<'_>) -> Result<(), Error> {
        for name in action.names() {
            match ObjectName::of(name) {
                ObjectName::Foreign | ObjectName::Temporary(None) => {
                    return Err(Error::InvalidPolicy { problem: format!("{name} is not one of ours, and never deleted") });
                }
                ObjectName::Backup(_)
                | ObjectName::Manifest(_)
                | ObjectName::Verification(_)
                | ObjectName::Temporary(Some(_))
                | ObjectName::Saving => {
                    self.remove(name).await?;
                }
            }
        }
        Ok(())
    }
}

/// Every object that has a say in whether the step is taken.
fn named(step: &Step<Retention>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = step.action.names().iter().cloned().collect();
    for guard in &step.guards {
        match guard {
            Guard::Store { .. } => {}
            Guard::Stays { objects } | Guard::Unchanged { objects } => names.extend(objects.iter().map(|object| object.name.clone())),
            Guard::Absent { name } => drop(names.insert(name.clone())),
        }
    }
    names
}
