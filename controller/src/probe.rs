//! Probes from the controller: does an address accept a TCP connection? Nothing is sent.

use futures::future::join_all;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;

/// How an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The service accepted the connection.
    Accepted,
    /// A machine answered, but the port is closed.
    Refused,
    /// Nobody answered in time, or the network says that nobody is there.
    Silent {
        /// What came instead.
        reason: String,
    },
}

/// Asks `address` (a name or an IP address) at `port`, at most for `limit`.
pub(crate) async fn ask(address: &str, port: u16, limit: Duration) -> Answer {
    match tokio::time::timeout(limit, TcpStream::connect((address, port))).await {
        Ok(Ok(_)) => Answer::Accepted,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Ok(Err(error)) => Answer::Silent { reason: error.to_string() },
        Err(_) => Answer::Silent { reason: format!("no answer within {} ms", limit.as_millis()) },
    }
}

/// Asks all `targets` at once. They are silent only together: one machine that still answers, even with a closed port,
/// is still switched on.
pub(crate) async fn all_silent(targets: &[(String, u16)], limit: Duration) -> bool {
    let answers = join_all(targets.iter().map(|(address, port)| ask(address, *port, limit))).await;
    answers.iter().all(|answer| matches!(answer, Answer::Silent { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn an_open_port_accepts_and_a_closed_one_refuses() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ask("127.0.0.1", port, LIMIT).await, Answer::Accepted);
        drop(listener);
        assert_eq!(ask("127.0.0.1", port, LIMIT).await, Answer::Refused);
        assert!(!all_silent(&[("127.0.0.1".to_owned(), port)], LIMIT).await);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_silent() {
        let targets = [("no-such-host.invalid".to_owned(), 5432)];
        assert!(all_silent(&targets, LIMIT).await);
    }
}
