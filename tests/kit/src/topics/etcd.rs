//! Databases that real servers wrote, and what etcdctl, etcdutl and the servers said of them.

use serde_json::Value;
use trimtab_etcd_file::{EtcdFile, EtcdVersion, HashKv, Verified, Verify};

use super::{Tally, equal};

/// Each word of upstream is a case of its own: `status`, every `hashkv` of a member, every `hashkv_at` of an older revision.
pub fn run(said: &Value, database: &[u8]) -> Result<Tally, String> {
    let etcd: EtcdVersion = said["etcd"].as_str().ok_or("the topic names no etcd")?.parse().map_err(|error| format!("{error}"))?;
    let judge = Judge { database, etcd };
    let mut tally = Tally { passed: 0, missed: Vec::new() };
    for (name, value) in said.as_object().ok_or("the topic is no object")? {
        match (name.as_str(), value) {
            ("status", _) => tally.count("status", judge.status(value)),
            ("hashkv", Value::Array(answers)) => {
                for (index, answer) in answers.iter().enumerate() {
                    tally.count(&format!("{name} {index}"), judge.hash_kv_now(answer));
                }
            }
            ("hashkv_at", Value::Array(answers)) => {
                for (index, answer) in answers.iter().enumerate() {
                    tally.count(&format!("{name} {index}"), judge.hash_kv_at(answer));
                }
            }
            ("etcdutl_hashkv", Value::Object(_)) => tally.count(name, judge.etcdutl_hashkv(value)),
            // Where etcdutl 3.6 panics there is nothing to compare with.
            (_, Value::String(_)) => {}
            (_, _) => tally.count(name, Err("no runner knows this word of upstream".to_owned())),
        }
    }
    Ok(tally)
}

struct Judge<'a> {
    database: &'a [u8],
    etcd: EtcdVersion,
}

impl Judge<'_> {
    fn verified(&self) -> Result<Verified, String> {
        let file = self.file()?;
        let how = if file.trailer().is_some() { Verify::snapshot() } else { Verify::data_directory() };
        let verified = file.verify(&how.with_etcd(self.etcd)).map_err(|error| error.to_string())?;
        // A server's own file has none; where one shows, the walk is wrong.
        verified.irregularity.as_ref().map_or(Ok(()), |irregularity| Err(format!("irregular: {irregularity}")))?;
        Ok(verified)
    }

    fn file(&self) -> Result<EtcdFile<&[u8]>, String> {
        EtcdFile::open(self.database).map_err(|error| error.to_string())
    }

    fn status(&self, said: &Value) -> Result<(), String> {
        let status = self.verified()?.status;
        let total_key = if self.etcd.minor() < 6 { status.items } else { status.total_key };
        let mut got = serde_json::json!({
            "hash": status.hash, "revision": status.revision, "totalKey": total_key, "totalSize": status.total_size_bytes,
        });
        if let Some(version) = status.version {
            got["version"] = version.into();
        }
        equal(&got, said)
    }

    /// Asked without a revision, as `endpoint hashkv` asks.
    fn hash_kv_now(&self, said: &Value) -> Result<(), String> {
        let got = self.file()?.hash_kv(None, self.etcd).map_err(|error| error.to_string())?;
        compare(got, &said["hash"], &said["compact_revision"])?;
        if let Some(revision) = said["hash_revision"].as_i64().or_else(|| said["header"]["revision"].as_i64()) {
            equal(&got.revision.into(), &revision.into())?;
        }
        let in_one_pass = self.verified()?.hash_kv;
        if in_one_pass == got { Ok(()) } else { Err(format!("verify says {in_one_pass:?}, hash_kv says {got:?}")) }
    }

    fn hash_kv_at(&self, said: &Value) -> Result<(), String> {
        let revision = said["revision"].as_i64().or_else(|| said["hash_revision"].as_i64());
        let revision = revision.ok_or("hashkv_at names no revision")?;
        let got = self.file()?.hash_kv(Some(revision), self.etcd).map_err(|error| error.to_string())?;
        equal(&got.revision.into(), &revision.into())?;
        compare(got, &said["hash"], &said["compact_revision"])
    }

    fn etcdutl_hashkv(&self, said: &Value) -> Result<(), String> {
        let got = self.file()?.hash_kv(None, self.etcd).map_err(|error| error.to_string())?;
        compare(got, &said["hash"], &said["compactRevision"])?;
        equal(&got.revision.into(), &said["hashRevision"])
    }
}

fn compare(got: HashKv, hash: &Value, compact_revision: &Value) -> Result<(), String> {
    equal(&serde_json::json!([got.hash, got.compact_revision]), &serde_json::json!([hash, compact_revision]))
}
