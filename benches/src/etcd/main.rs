//! What `benches/backups.py` measures of trimtab, a process for each piece of work, beside etcdctl and etcdutl.
//!
//! ```text
//! bench-etcd usage COMMAND ARGUMENT…      runs a command, its output thrown away; what it took and used
//! bench-etcd fill ENDPOINT PUTS BYTES     that many puts of random bytes on 20,000 keys, 64 at a time
//! bench-etcd verify FILE                  everything that a snapshot is verified for
//! bench-etcd verify-data FILE             the same of the database of a data directory
//! bench-etcd sha256 FILE                  the SHA-256 alone, as verify takes it
//! bench-etcd keyspace FILE                what fills the file
//! bench-etcd save ENDPOINT DIRECTORY      a verified backup
//! bench-etcd restore FILE DIRECTORY       a data directory for one member
//! ```
//!
//! Each prints a line of JSON, so that results are compared before their speed is.

mod files;
mod fill;
mod save;
#[path = "../usage.rs"]
mod usage;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-etcd: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<Value, Box<dyn Error>> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["usage", program, ref arguments @ ..] => usage::of(program, arguments),
        ["fill", endpoint, puts, bytes] => fill::fill(endpoint, puts.parse()?, bytes.parse()?).await,
        ["verify", file] => files::verify(file.as_ref()),
        ["verify-data", file] => files::verify_data(file.as_ref()),
        ["sha256", file] => files::sha256(file.as_ref()),
        ["keyspace", file] => files::keyspace(file.as_ref()),
        ["save", endpoint, directory] => save::save(endpoint, directory.as_ref()).await,
        ["restore", file, directory] => files::restore(file.as_ref(), directory.as_ref()),
        _ => Err("usage: bench-etcd usage|fill|verify|verify-data|sha256|keyspace|save|restore …; see benches/src/etcd/main.rs".into()),
    }
}
