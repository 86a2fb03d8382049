//! A member's `/metrics`: what Status does not tell (the quota before 3.6), and the only thing that answers during a defragmentation.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tls::Tls;
use super::trouble::{Scene, causes};
use crate::error::Error;

/// The text of `GET /metrics`.
pub(super) async fn read(endpoint: &str, tls: Option<&Tls>) -> Result<String, Error> {
    let scene = Scene { endpoint, call: "/metrics", user: None };
    let broken = |error: &(dyn std::error::Error + 'static)| scene.broken(&causes(&error.to_string(), error));
    let uri: Uri = endpoint.parse().map_err(|error: hyper::http::uri::InvalidUri| broken(&error))?;
    let host = uri.host().unwrap_or_default().to_owned();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, uri.port_u16().unwrap_or(2379))).await.map_err(|error| broken(&error))?;
    let answer = match tls {
        None => fetch(TokioIo::new(stream), &host).await,
        Some(tls) => {
            let name = ServerName::try_from(bare.to_owned()).map_err(|error| broken(&error))?;
            let stream = TlsConnector::from(tls.config.clone()).connect(name, stream).await.map_err(|error| broken(&error))?;
            fetch(TokioIo::new(stream), &host).await
        }
    };
    match answer {
        Ok((status, text)) if status.is_success() => Ok(text),
        Ok((status, _)) => Err(scene.server(status.as_str(), "no metrics are served here")),
        Err(error) => Err(broken(&*error)),
    }
}

/// The value of a gauge without labels, in Prometheus' text form.
pub(super) fn gauge(text: &str, name: &str) -> Option<f64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next()?.split_whitespace().next()?.parse().ok()
}

/// How many snapshots are being sent: the calls that began and have not ended. All of 3.4 to 3.7 count them (`go-grpc-prometheus`);
/// `etcd_mvcc_db_open_read_transactions` is brought up to date only when a write commits.
pub(super) fn open_snapshots(text: &str) -> Option<u64> {
    let count = |name: &str| {
        let labelled = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
        let snapshots = labelled.filter(|(labels, _)| labels.contains("grpc_method=\"Snapshot\",grpc_service=\"etcdserverpb.Maintenance\""));
        let values: Option<Vec<f64>> = snapshots.map(|(_, value)| value.split_whitespace().next()?.parse().ok()).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>())
    };
    // Before its first call a method may have no line at all.
    let (begun, ended) = (count("grpc_server_started_total")?, count("grpc_server_handled_total").unwrap_or(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count, written by Go as a float64; the cast saturates")]
    Some((begun - ended).max(0.0) as u64)
}

async fn fetch<S>(stream: TokioIo<S>, host: &str) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(stream).await?;
    let request = Request::get("/metrics").header("host", host).body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // etcd's metrics take 100 to 300 KB.
        let body = Limited::new(response.into_body(), 16 << 20).collect().await?;
        Ok((status, String::from_utf8(body.to_bytes().to_vec())?))
    };
    // The connection is driven here and not spawned, so that dropping us ends it.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{gauge, open_snapshots};

    const TEXT: &str = "# TYPE etcd_server_quota_backend_bytes gauge\netcd_server_quota_backend_bytes 2.147483648e+09\netcd_disk_defrag_inflight 1\netcd_disk_defrag_inflight_x 7\n";

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        assert_eq!(gauge(TEXT, "etcd_server_quota_backend_bytes"), Some(2_147_483_648.0));
        assert_eq!(gauge(TEXT, "etcd_disk_defrag_inflight"), Some(1.0));
        assert_eq!(gauge(TEXT, "etcd_disk_defrag"), None);
    }

    #[test]
    fn a_snapshot_is_open_until_its_call_is_handled_with_whatever_code() {
        let line = |name: &str, code: &str, service: &str, value: u8| {
            format!("grpc_server_{name}_total{{{code}grpc_method=\"Snapshot\",grpc_service=\"{service}\",grpc_type=\"server_stream\"}} {value}\n")
        };
        let service = "etcdserverpb.Maintenance";
        let started = line("started", "", service, 3);
        let others = line("started", "", "another.Service", 9) + "grpc_server_started_total{grpc_method=\"Watch\"} 5\n";
        assert_eq!(open_snapshots(TEXT), None);
        assert_eq!(open_snapshots(&(others + &started)), Some(3));
        let ended = line("handled", "grpc_code=\"OK\",", service, 1) + &line("handled", "grpc_code=\"Canceled\",", service, 1);
        assert_eq!(open_snapshots(&(started + &ended)), Some(1));
    }
}
