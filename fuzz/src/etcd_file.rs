//! Any bytes, taken for an etcd file: everything that reads one comes back with an answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_kit::damage;

fuzz_target!(|bytes: &[u8]| damage::read_everything(bytes));
