//! The first words of a plain copy: the sending machine says which disks will come, the receiving one makes room or says why
//! not. Everything after it is the data protocol, which knows its volumes beforehand.
//!
//! One question and one answer over TLS with a protocol name of its own, each a length and JSON. Said once: a receiver that
//! has its volumes speaks only the data protocol, and checks there that the same disks come. Never here: what is a good
//! place for a disk.

use crate::identity::Identity;
use crate::tls::{self, TlsError};
use qianyun_agent_api::inventory::DiskIdentity;
use rustls::AlertDescription;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name of this protocol in the TLS handshake.
const ALPN: &[u8] = b"qianyun-pair/1";
/// 64 disks with every text at its bound, several times over.
const MAX_WORDS_BYTES: u32 = 256 * 1024;
/// For connecting, a handshake, a question, an answer, each.
const LIMIT: Duration = Duration::from_secs(20);

/// A disk that will come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Announced {
    /// The kernel's name on the sending machine, which names the volume.
    pub(super) name: String,
    /// What names it for good.
    pub(super) identity: DiskIdentity,
}

/// The question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcement {
    /// All disks of the copy.
    pub(super) disks: Vec<Announced>,
}

/// The answer: nothing, or why not.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    refused: Option<String>,
}

/// Why disks could not be announced, or an announcement not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnnounceError {
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: io::Error,
    },
    /// The port cannot be had.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// No agreement on TLS.
    #[error("cannot agree on tls with {peer}; is the pairing code the one that this receiver shows?")]
    Tls {
        peer: String,
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// Too late.
    #[error("no answer from the other end within {} s", LIMIT.as_secs())]
    Silent,
    /// Too many words.
    #[error("the other end has {found} bytes to say, expected {MAX_WORDS_BYTES} at most")]
    TooLong { found: u32 },
    /// Words that make no sense.
    #[error("the other end does not speak qianyun-pair/1")]
    Words(#[from] serde_json::Error),
    /// The receiver's name is no name.
    #[error("the receiver cannot be named")]
    Name(#[from] InvalidDnsNameError),
    /// TLS could not be set up here.
    #[error(transparent)]
    Setup(#[from] TlsError),
    /// The receiver has no room for these disks.
    #[error("the receiver refused: {words}")]
    Refused { words: String },
}

/// Says which disks will come. A receiver that knows already is as good as one that agrees.
pub(super) async fn announce(
    address: &str,
    receiver_name: &str,
    identity: &Identity,
    announcement: &Announcement,
) -> Result<(), AnnounceError> {
    let unreachable = |source| AnnounceError::Connect { address: address.to_owned(), source };
    let stream = in_time(TcpStream::connect(address)).await?.map_err(unreachable)?;
    let mut config = tls::mutual(identity)?.as_ref().clone();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let name = ServerName::try_from(receiver_name.to_owned())?;
    let mut stream = match in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await? {
        Ok(stream) => stream,
        Err(error) if knows_already(&error) => return Ok(()),
        Err(source) => return Err(AnnounceError::Tls { peer: address.to_owned(), source }),
    };
    say(&mut stream, announcement).await?;
    let answer: Answer = listen(&mut stream).await?;
    match answer.refused {
        None => Ok(()),
        Some(words) => Err(AnnounceError::Refused { words }),
    }
}

/// A receiver that speaks only the data protocol refuses ours by name, after it has looked at nothing else.
fn knows_already(error: &io::Error) -> bool {
    let refusal = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) == Some(&refusal)
}

/// Waits for an announcement that `judge` can agree to, and returns it. Refused ones are answered, and waited on.
pub(super) async fn await_announcement(
    listener: &TcpListener,
    identity: &Identity,
    mut judge: impl FnMut(&Announcement) -> Result<(), String>,
) -> Result<Announcement, AnnounceError> {
    let mut config = tls::receiver(identity)?.as_ref().clone();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, peer) = listener.accept().await.map_err(AnnounceError::Listen)?;
        match one_announcement(&acceptor, stream, &peer.to_string(), &mut judge).await {
            Ok(Ok(announcement)) => return Ok(announcement),
            Ok(Err(words)) => tracing::warn!(%peer, "refused: {words}"),
            // A port scanner, or a code that was mistyped: whoever it is, it tries again or it does not.
            Err(error) => tracing::info!(%peer, error = &error as &dyn std::error::Error, "not a sender of ours"),
        }
    }
}

async fn one_announcement(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: &str,
    judge: &mut impl FnMut(&Announcement) -> Result<(), String>,
) -> Result<Result<Announcement, String>, AnnounceError> {
    let failed = |source| AnnounceError::Tls { peer: peer.to_owned(), source };
    let mut stream = in_time(acceptor.accept(stream)).await?.map_err(failed)?;
    let announcement: Announcement = listen(&mut stream).await?;
    let judged = judge(&announcement);
    say(&mut stream, &Answer { refused: judged.clone().err() }).await?;
    // The other end reads to the end of the answer; whether it then says goodbye does not matter.
    let _gone = in_time(stream.shutdown()).await;
    Ok(judged.map(|()| announcement))
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, words: &impl Serialize) -> Result<(), AnnounceError> {
    let text = serde_json::to_vec(words)?;
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let all = [&len.to_le_bytes()[..], &text].concat();
    let sent = async {
        stream.write_all(&all).await?;
        stream.flush().await
    };
    in_time(sent).await?.map_err(AnnounceError::Io)
}

async fn listen<T: DeserializeOwned, S: AsyncRead + Unpin>(stream: &mut S) -> Result<T, AnnounceError> {
    let len = in_time(stream.read_u32_le()).await?.map_err(AnnounceError::Io)?;
    if len > MAX_WORDS_BYTES {
        return Err(AnnounceError::TooLong { found: len });
    }
    let mut text = vec![0; usize::try_from(len).expect("a quarter of a MiB fits")];
    in_time(stream.read_exact(&mut text)).await?.map_err(AnnounceError::Io)?;
    Ok(serde_json::from_slice(&text)?)
}

async fn in_time<T>(doing: impl Future<Output = T>) -> Result<T, AnnounceError> {
    timeout(LIMIT, doing).await.map_err(|_| AnnounceError::Silent)
}

#[cfg(test)]
mod tests {
    use super::super::pairing::Code;
    use super::*;

    fn announcement() -> Announcement {
        let identity = DiskIdentity {
            serial: "s".into(),
            wwn: String::new(),
            size_bytes: 4096,
            logical_block_bytes: 512,
            table_id: String::new(),
        };
        Announcement { disks: vec![Announced { name: "sda".into(), identity }] }
    }

    async fn said(sender: &Code, receiver: &Code, refused: Option<&str>) -> Result<(), AnnounceError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let identity = receiver.receiver().unwrap();
        let waiting = await_announcement(&listener, &identity, |found| {
            assert_eq!(*found, announcement());
            refused.map_or(Ok(()), |words| Err(words.to_owned()))
        });
        let (name, sender, announced) = (sender.receiver_name(), sender.sender("db").unwrap(), announcement());
        tokio::select! {
            biased;
            told = announce(&address, &name, &sender, &announced) => told,
            heard = waiting => panic!("ended first: {heard:?}"),
        }
    }

    #[tokio::test]
    async fn disks_are_announced_to_whoever_has_the_same_code() {
        let code = Code::new([1; 15]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (identity, sender) = (code.receiver().unwrap(), code.sender("db").unwrap());
        let (name, announced) = (code.receiver_name(), announcement());
        let (told, heard) = tokio::join!(
            announce(&address, &name, &sender, &announced),
            await_announcement(&listener, &identity, |_| Ok(()))
        );
        told.unwrap();
        assert_eq!(heard.unwrap(), announced);
    }

    #[tokio::test]
    async fn a_refusal_comes_with_its_words_and_another_code_is_nobody() {
        let (one, other) = (Code::new([1; 15]), Code::new([2; 15]));
        let refused = said(&one, &one, Some("too small")).await.unwrap_err();
        assert_eq!(refused.to_string(), "the receiver refused: too small");
        assert!(matches!(said(&other, &one, None).await.unwrap_err(), AnnounceError::Tls { .. }));
    }

    #[tokio::test]
    async fn a_receiver_that_speaks_only_the_data_protocol_knows_already() {
        let code = Code::new([1; 15]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut config = tls::receiver(&code.receiver().unwrap()).unwrap().as_ref().clone();
        config.alpn_protocols = vec![b"qianyun-data/1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (name, sender, announced) = (code.receiver_name(), code.sender("db").unwrap(), announcement());
        let serving = async { acceptor.accept(listener.accept().await.unwrap().0).await.map(drop) };
        let (told, served) = tokio::join!(announce(&address, &name, &sender, &announced), serving);
        told.unwrap();
        assert!(served.is_err());
    }

    #[tokio::test]
    async fn words_without_end_are_not_listened_to() {
        let (mut here, mut there) = tokio::io::duplex(64);
        here.write_all(&(MAX_WORDS_BYTES + 1).to_le_bytes()).await.unwrap();
        assert!(matches!(listen::<Answer, _>(&mut there).await, Err(AnnounceError::TooLong { .. })));
    }
}
