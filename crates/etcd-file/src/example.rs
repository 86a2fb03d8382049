//! A small snapshot for examples and tests: what etcd 3.6 writes after three puts.

use crate::digest::Sha256;
use crate::page::{BUCKET_ELEMENT, ELEMENT, HEADER, LEAF, MAGIC, META_FLAG, NO_FREELIST, VERSION, fnv1a};
use crate::revision::Revision;

const PAGE_SIZE: usize = 4096;

/// Three revisions of two keys, `/registry/pods/default/a` and `…/b`, with the SHA-256 at the end.
#[must_use]
pub fn snapshot() -> Vec<u8> {
    let mut file = database();
    let digest = Sha256::of(&file);
    file.extend_from_slice(digest.as_bytes());
    file
}

/// The same without the SHA-256, as it lies in a data directory.
#[must_use]
pub fn database() -> Vec<u8> {
    let (a, b) = ("/registry/pods/default/a", "/registry/pods/default/b");
    let rows = [row(2, a, 2, 1, "one"), row(3, b, 3, 1, "two"), row(4, a, 2, 2, "three")];
    let cluster = [item("clusterVersion", b"3.6.0")];
    let meta = [item("consistent_index", &7_u64.to_be_bytes()), item("term", &2_u64.to_be_bytes())];
    let key = [3_u64.to_le_bytes(), [0; 8]].concat();
    let root = [bucket("cluster", inline(&cluster)), bucket("key", key), bucket("meta", inline(&meta))];
    [meta_page(0, 9), meta_page(1, 8), leaf_page(2, &root), leaf_page(3, &rows)].concat()
}

struct Item {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

fn item(key: &str, value: &[u8]) -> Item {
    Item { flags: 0, key: key.as_bytes().to_vec(), value: value.to_vec() }
}

fn bucket(name: &str, value: Vec<u8>) -> Item {
    Item { flags: BUCKET_ELEMENT, key: name.as_bytes().to_vec(), value }
}

/// A row of the bucket `key`; every number is below 128, so each takes one byte.
fn row(main: u8, key: &str, created: u8, version: u8, value: &str) -> Item {
    let text = |number: u8, text: &str| [&[number << 3 | 2, u8::try_from(text.len()).unwrap_or_default()], text.as_bytes()].concat();
    let message = [text(1, key), vec![2 << 3, created, 3 << 3, main, 4 << 3, version], text(5, value)].concat();
    Item { flags: 0, key: Revision { main: main.into(), sub: 0 }.bytes().to_vec(), value: message }
}

fn meta_page(id: u64, transaction: u64) -> Vec<u8> {
    let head = u64::from(MAGIC) | u64::from(VERSION) << 32;
    let fields = [head, PAGE_SIZE as u64, 2, 0, NO_FREELIST, 4, transaction].map(u64::to_le_bytes).concat();
    let sum = fnv1a(&fields).to_le_bytes();
    padded([header(id, META_FLAG, 0), fields, sum.to_vec()].concat())
}

fn leaf_page(id: u64, items: &[Item]) -> Vec<u8> {
    padded(leaf(id, items))
}

/// A bucket that lies within its element: no root page, no sequence, then its leaf.
fn inline(items: &[Item]) -> Vec<u8> {
    [vec![0; 16], leaf(0, items)].concat()
}

fn leaf(id: u64, items: &[Item]) -> Vec<u8> {
    let mut bytes = header(id, LEAF, items.len());
    let mut data = HEADER + ELEMENT * items.len();
    for item in items {
        let distance = data - bytes.len();
        let numbers = [item.flags as usize, distance, item.key.len(), item.value.len()];
        bytes.extend(numbers.iter().flat_map(|number| u32::try_from(*number).unwrap_or_default().to_le_bytes()));
        data += item.key.len() + item.value.len();
    }
    for item in items {
        bytes.extend(item.key.iter().chain(&item.value));
    }
    bytes
}

fn header(id: u64, flags: u16, count: usize) -> Vec<u8> {
    let count = u16::try_from(count).unwrap_or_default();
    [&id.to_le_bytes()[..], &flags.to_le_bytes(), &count.to_le_bytes(), &[0; 4]].concat()
}

fn padded(mut page: Vec<u8>) -> Vec<u8> {
    page.resize(PAGE_SIZE, 0);
    page
}
