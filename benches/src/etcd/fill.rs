//! Fills an etcd with history.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;

use etcd_client::Client;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

/// However much is written, as many keys are alive.
const KEYS: u64 = 20_000;
const NAMESPACES: u64 = 50;
const IN_FLIGHT: u64 = 64;

/// Puts of `bytes` random bytes, which no storage compresses, one key after the other. Which bytes does not matter, how many does.
pub(crate) async fn fill(endpoint: &str, puts: u64, bytes: usize) -> Result<Value, Box<dyn Error>> {
    let client = Client::connect([endpoint], None).await?;
    let start = Instant::now();
    let next = Rc::new(Cell::new(0));
    let mut writers = JoinSet::new();
    let local = LocalSet::new();
    for _ in 0..IN_FLIGHT {
        writers.spawn_local_on(write(client.clone(), Rc::clone(&next), puts, bytes), &local);
    }
    let written = local.run_until(writers.join_all()).await;
    written.into_iter().collect::<Result<(), _>>()?;
    Ok(json!({"puts": puts, "seconds": start.elapsed().as_secs_f64()}))
}

async fn write(mut client: Client, next: Rc<Cell<u64>>, puts: u64, bytes: usize) -> Result<(), etcd_client::Error> {
    let mut value = vec![0; bytes];
    while next.get() < puts {
        let number = next.replace(next.get() + 1) % KEYS;
        fastrand::fill(&mut value);
        client.put(format!("/registry/pods/namespace-{}/pod-{number}", number % NAMESPACES), value.clone(), None).await?;
    }
    Ok(())
}
