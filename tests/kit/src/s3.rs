//! A real S3 server over a temporary folder: versitygw, whose objects are plain files.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::etcd::tail;
use crate::{testbed, wait, watch};

/// The release of versitygw in the test bed.
pub const VERSION: &str = "1.8.0";

const REGION: &str = "us-east-1";
const BUCKET: &str = "backups";
const ACCESS_KEY: &str = "trimtab";

/// A running server with one empty bucket. Dropping it ends it and removes what it stored.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    secret_key: String,
    child: Option<Child>,
    dir: TempDir,
}

impl S3Server {
    /// Starts a server and waits until it listens.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server that takes what stands before `.DOMAIN` in the host's name for the bucket.
    pub fn start_at(domain: &str) -> Self {
        Self::start_with(&["--virtual-domain", domain])
    }

    /// Somebody else may take the port between its choice and its use, so it tries again.
    fn start_with(flags: &[&str]) -> Self {
        watch::this_test();
        let mut last = String::new();
        for _ in 0..3 {
            let mut server = Self::prepare();
            match server.run(flags) {
                Ok(()) => return server,
                Err(why) => last = why,
            }
        }
        panic!("versitygw {VERSION} did not start: {last}");
    }

    fn prepare() -> Self {
        let dir = tempfile::Builder::new().prefix("trimtab-s3-").tempdir().expect("a temporary folder can be made");
        for folder in ["objects/backups", "metadata"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("our own folder can be written to");
        }
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a bound port").port();
        Self { port, secret_key: random_key(), child: None, dir }
    }

    /// Metadata goes into files of their own: extended attributes are not there on every file system.
    fn run(&mut self, flags: &[&str]) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program()).args(["--port", &self.address(), "--region", REGION]).args(flags);
        command.args(["posix", "--sidecar"]).arg(self.dir.path().join("metadata")).arg(self.dir.path().join("objects"));
        command.env("ROOT_ACCESS_KEY", ACCESS_KEY).env("ROOT_SECRET_KEY", &self.secret_key);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot start versitygw: {error}"));
        let address = self.address();
        let child = self.child.insert(child);
        let listens = wait::until("versitygw to listen", wait::LONG, || {
            if child.try_wait().expect("our own child can be looked at").is_some() {
                return Ok(false);
            }
            TcpStream::connect(&address).map(|_| true).map_err(|error| error.to_string())
        })?;
        if listens { Ok(()) } else { Err(tail(&self.log())) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn region(&self) -> &'static str {
        REGION
    }

    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// Made for this server.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// A secret that the server refuses.
    pub fn wrong_secret_key(&self) -> String {
        self.secret_key.chars().rev().chain(['0']).collect()
    }

    /// The bucket as a store, with the given secret.
    pub fn store(&self, secret_key: &str) -> AmazonS3 {
        let builder = AmazonS3Builder::new().with_endpoint(self.endpoint()).with_allow_http(true).with_region(REGION);
        let builder = builder.with_bucket_name(BUCKET).with_access_key_id(ACCESS_KEY).with_secret_access_key(secret_key);
        builder.build().expect("a complete description of a store")
    }

    /// The file that holds an object: to look at it, or to damage it.
    pub fn file(&self, key: &str) -> PathBuf {
        self.dir.path().join("objects").join(BUCKET).join(key)
    }

    /// Starts the server again at the same address, and now it refuses every write. Rights of files would not do: root has them all.
    pub fn make_read_only(&mut self) {
        self.kill();
        self.run(&["--readonly"]).unwrap_or_else(|why| panic!("versitygw did not start again: {why}"));
    }

    /// Removes the bucket with what is in it.
    pub fn remove_bucket(&self) {
        std::fs::remove_dir_all(self.file("")).expect("our own folder can be removed");
    }

    /// Hangs the server (SIGSTOP): it takes connections and answers none.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
        wait::until_stopped(self.child.as_ref().expect("the server runs"));
    }

    /// Lets a hung server go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the server at once (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("our own child can be signalled");
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// 128 bits from the operating system, by way of the standard library's hash seeds.
fn random_key() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

fn program() -> PathBuf {
    let path = testbed::folder().join("bin").join(format!("s3-{VERSION}")).join("versitygw");
    assert!(path.is_file(), "versitygw {VERSION} is missing: run `make testbed` (looked at {})", path.display());
    path
}
