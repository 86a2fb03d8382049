//! Keys that `object_store` cannot hold, taken out of a listing before it reads it.
//!
//! S3 takes keys like `etcd//x`, `etcd/./x` or one with a tab. `object_store` 0.14 reads every key of a page as a path, and fails the whole
//! page for one that is none (`client/s3.rs`, `TryFrom<ListResponse>`), so that anybody who may write there could blind every listing. No
//! name of ours is such a key: they are passed over, as folders are.

use futures_util::future::BoxFuture;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector};
use object_store::path::Path as Key;

/// Connects as `object_store` does by itself.
#[derive(Debug)]
pub(super) struct Connector;

#[derive(Debug)]
struct Client {
    inner: HttpClient,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Client { inner }))
    }
}

impl HttpService for Client {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let is_listing = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "list-type=2"));
        Box::pin(async move {
            let response = self.inner.execute(request).await?;
            if !is_listing || !response.status().is_success() {
                return Ok(response);
            }
            let (head, body) = response.into_parts();
            let bytes = body.bytes().await?;
            // Anything but UTF-8 is for the reader to refuse.
            let body = std::str::from_utf8(&bytes).map(without_foreign).map_or_else(|_| bytes.clone().into(), Into::into);
            Ok(HttpResponse::from_parts(head, body))
        })
    }
}

/// The elements of a listing that hold a key: how they begin and end, and how the key in them does.
const ENTRIES: [[&str; 4]; 2] =
    [["<Contents>", "</Contents>", "<Key>", "</Key>"], ["<CommonPrefixes>", "</CommonPrefixes>", "<Prefix>", "</Prefix>"]];

/// A page of a listing without the entries whose key is no path.
fn without_foreign(page: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(page.len()), page);
    while let Some((from, to, key)) = first_entry(rest) {
        let (entry, after) = rest.split_at(to);
        let is_path = key.is_none_or(|key| Key::parse(unescaped(key)).is_ok());
        kept.push_str(entry.get(..if is_path { to } else { from }).unwrap_or(entry));
        rest = after;
    }
    kept + rest
}

/// Where the first entry begins and ends, and its key as it is written.
fn first_entry(text: &str) -> Option<(usize, usize, Option<&str>)> {
    let kind = |at: usize| ENTRIES.iter().find(|[begin, ..]| text.get(at..).is_some_and(|text| text.starts_with(begin)));
    let (from, [_, end, before, behind]) = text.match_indices("<C").find_map(|(at, _)| Some((at, kind(at)?)))?;
    let (inner, _) = text.get(from..)?.split_once(end)?;
    let key = inner.split_once(before).and_then(|(_, after)| after.split_once(behind)).map(|(key, _)| key);
    Some((from, from + inner.len() + end.len(), key))
}

/// The text of an XML element. What is no reference stays as it is.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(name, after)| Some((referred(name)?, after))) {
            Some((character, after)) => {
                plain.push(character);
                plain.push_str(after);
            }
            None => plain.extend(["&", part]),
        }
    }
    plain
}

fn referred(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        numeric => {
            let digits = numeric.strip_prefix('#')?;
            let code = digits.strip_prefix('x').map_or_else(|| digits.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok());
            char::from_u32(code?)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;
    use crate::live::{S3, Store};

    fn contents(key: &str) -> String {
        format!("<Contents><Key>{key}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified><ETag>\"x\"</ETag><Size>3</Size></Contents>")
    }

    fn page(entries: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><Prefix>etcd//</Prefix><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        )
    }

    /// A server that gives every request this listing.
    fn serve(listing: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", listing.len());
                let _ = (&stream).write_all((head + &listing).as_bytes());
            }
        });
        endpoint
    }

    #[tokio::test]
    async fn a_key_that_is_no_path_hides_no_other_one() {
        let prefixes =
            ["etcd//", "etcd/./", "etcd/../", "etcd/deeper/"].map(|prefix| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"));
        let keys = ["etcd/a&#9;b", "etcd/a&#x9;b", "etcd/a\tb", "etcd/&#1;", "etcd/", "etcd/a %zz&amp;&lt;b", "etcd/ours"].map(contents);
        let endpoint = serve(page(&(prefixes.concat() + &keys.concat())));
        let settings = S3::bucket("b").unwrap().with_prefix("etcd").unwrap().with_endpoint(&endpoint).unwrap().with_plain_http().with_keys("a", "b");
        let catalog = Store::s3(settings).unwrap().list().await.unwrap();
        let names: Vec<String> = catalog.entries.iter().map(crate::backup::Entry::name).collect();
        assert_eq!(names, ["a %zz&<b", "ours"]);
    }

    #[test]
    fn a_page_without_such_a_key_stays_as_it_is() {
        let page = page(&(contents("etcd/a&amp;b") + "<CommonPrefixes><Prefix>etcd/deeper/</Prefix></CommonPrefixes>" + &contents("etcd/c&d;")));
        assert_eq!(without_foreign(&page), page);
    }

    proptest! {
        #[test]
        fn only_whole_entries_are_taken_out(before in "[<>/a-zK&;#]{0,30}", keys in prop::collection::vec("[a/.&;#x0-9\t]{0,6}", 0..6)) {
            let entries: Vec<String> = keys.iter().map(|key| contents(key)).collect();
            let kept: String = keys.iter().zip(&entries).filter(|(key, _)| Key::parse(unescaped(key)).is_ok()).map(|(_, entry)| entry.as_str()).collect();
            prop_assert_eq!(without_foreign(&page(&entries.concat())), page(&kept));
            let _ = without_foreign(&before);
        }
    }
}
