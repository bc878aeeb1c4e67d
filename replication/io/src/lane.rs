//! One lane between the two ends: frames over TLS 1.3 over TCP.
//!
//! A lane moves frames and bounds what it reads before it allocates. What a frame means is the engines' to say, when a
//! lane is opened is [`crate::source`]'s and [`crate::target`]'s. Bodies are read so that the payload of data begins at a
//! page, which is what direct writes need.

use crate::device::buffer::{ALIGNMENT, AlignedBuffer};
use qianyun_replication::frame::{ALPN, FrameError, HEADER_BYTES, Header, MAX_WIRE_BYTES};
use qianyun_replication::message::{ErrorCode, HASH_BYTES, Message, MessageError};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting, a handshake, and a greeting may take each: twice what a satellite link with losses needs.
pub const SETUP_LIMIT: Duration = Duration::from_secs(20);
/// A lane that is silent for this long is dead: six pings.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How often the source pings a lane that has nothing else to say.
pub const PING_EVERY: Duration = Duration::from_secs(5);

/// Where a body begins in the buffer: the hash in front of a payload ends where a page begins.
const BODY_START: usize = ALIGNMENT - HASH_BYTES;

/// Why a lane cannot be opened or has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The name that the certificate should have is not a name.
    #[error("{name:?} is not the name of a server")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        #[source]
        source: InvalidDnsNameError,
    },
    /// No TLS session: another certificate, another CA, another protocol.
    #[error("cannot agree on tls with {peer}")]
    Tls {
        /// The other end.
        peer: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The other end speaks something else.
    #[error("{peer} does not speak qianyun-data/1")]
    Protocol {
        /// The other end.
        peer: String,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// Nothing came for [`SILENCE_LIMIT`], or no answer within [`SETUP_LIMIT`].
    #[error("the other end was silent for {} s", limit.as_secs())]
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// Bytes that are no frame.
    #[error("the other end sent what is not a frame")]
    Frame(#[source] FrameError),
    /// A frame whose content makes no sense.
    #[error("the other end sent what is not a message")]
    Message(#[source] MessageError),
    /// The other end said why it ends the connection.
    #[error("the other end refused ({code:?}): {text}")]
    Refused {
        /// What kind of refusal.
        code: ErrorCode,
        /// Its words.
        text: String,
    },
    /// The other end left in order.
    #[error("the other end has left")]
    Left,
    /// A message that is not allowed here.
    #[error("the other end sent {found} where {expected} was expected")]
    Unexpected {
        /// What came.
        found: String,
        /// What should have come.
        expected: &'static str,
    },
}

/// The reading half of a lane.
pub(crate) struct LaneReader<S> {
    stream: ReadHalf<S>,
    body: AlignedBuffer,
}

/// The writing half of a lane.
pub(crate) struct LaneWriter<S> {
    stream: WriteHalf<S>,
}

/// Takes the stream of a finished handshake apart.
pub(crate) fn split<S: AsyncRead + AsyncWrite>(stream: S) -> (LaneReader<S>, LaneWriter<S>) {
    let (read, write) = tokio::io::split(stream);
    let most = usize::try_from(MAX_WIRE_BYTES).expect("about a MiB");
    (LaneReader { stream: read, body: AlignedBuffer::new(BODY_START + most) }, LaneWriter { stream: write })
}

impl<S: AsyncRead> LaneReader<S> {
    /// The next frame. Not to be dropped halfway: the place in the stream would be lost.
    pub(crate) async fn next(&mut self, limit: Duration) -> Result<(Header, Message<'_>), LaneError> {
        let silent = |_| LaneError::Silent { limit };
        let mut head = [0; HEADER_BYTES];
        timeout(limit, self.stream.read_exact(&mut head)).await.map_err(silent)?.map_err(broken)?;
        let header = Header::decode(&head).map_err(LaneError::Frame)?;
        let len = usize::try_from(header.wire_len).expect("checked against its bound");
        let body = &mut self.body[BODY_START..BODY_START + len];
        timeout(limit, self.stream.read_exact(body)).await.map_err(silent)?.map_err(broken)?;
        let message = Message::decode(&header, &self.body[BODY_START..BODY_START + len]).map_err(LaneError::Message)?;
        match message {
            Message::Error { code, text } => Err(LaneError::Refused { code, text }),
            Message::Bye => Err(LaneError::Left),
            message => Ok((header, message)),
        }
    }
}

impl<S: AsyncWrite> LaneWriter<S> {
    /// Sends whole frames.
    pub(crate) async fn send(&mut self, frames: &[u8]) -> Result<(), LaneError> {
        self.send_both(frames, &[]).await
    }

    /// Sends whole frames that lie in two places.
    pub(crate) async fn send_both(&mut self, first: &[u8], rest: &[u8]) -> Result<(), LaneError> {
        let (mut first, mut rest) = (first, rest);
        while !first.is_empty() {
            let both = [io::IoSlice::new(first), io::IoSlice::new(rest)];
            let sent = self.stream.write_vectored(&both).await.map_err(broken)?;
            let of_first = sent.min(first.len());
            (first, rest) = (&first[of_first..], &rest[sent - of_first..]);
        }
        self.stream.write_all(rest).await.map_err(broken)?;
        self.stream.flush().await.map_err(broken)
    }

    /// Says goodbye, as far as the other end still listens.
    pub(crate) async fn close(&mut self, frames: &[u8]) {
        let farewell = async {
            let _broken = self.stream.write_all(frames).await;
            let _broken = self.stream.shutdown().await;
        };
        let _late = timeout(PING_EVERY, farewell).await;
    }
}

fn broken(error: io::Error) -> LaneError {
    if error.kind() == io::ErrorKind::UnexpectedEof { LaneError::Left } else { LaneError::Io(error) }
}

/// The bytes of one message.
pub(crate) fn frame(message: &Message<'_>, session: u64, epoch: u32) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(session, epoch, &mut out);
    out
}

/// An outward connection to `address`, whose certificate must carry `name`.
pub(crate) async fn connect(
    tls: &Arc<rustls::ClientConfig>,
    address: &str,
    name: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, LaneError> {
    let server =
        ServerName::try_from(name.to_owned()).map_err(|source| LaneError::Name { name: name.to_owned(), source })?;
    let silent = |_| LaneError::Silent { limit: SETUP_LIMIT };
    let refused = |source| LaneError::Connect { address: address.to_owned(), source };
    let stream = timeout(SETUP_LIMIT, TcpStream::connect(address)).await.map_err(silent)?.map_err(refused)?;
    stream.set_nodelay(true).map_err(LaneError::Io)?;
    let mut tls = tls.as_ref().clone();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let handshake = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(server, stream);
    let failed = |source| LaneError::Tls { peer: address.to_owned(), source };
    let stream = timeout(SETUP_LIMIT, handshake).await.map_err(silent)?.map_err(failed)?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(LaneError::Protocol { peer: address.to_owned() });
    }
    Ok(stream)
}

/// The server's settings with our protocol in them.
pub(crate) fn acceptor(tls: &rustls::ServerConfig) -> tokio_rustls::TlsAcceptor {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tokio_rustls::TlsAcceptor::from(Arc::new(tls))
}

/// An inward connection, and the certificates that the other end showed.
pub(crate) async fn accept(
    acceptor: &tokio_rustls::TlsAcceptor,
    stream: TcpStream,
    peer: &str,
) -> Result<(tokio_rustls::server::TlsStream<TcpStream>, Vec<CertificateDer<'static>>), LaneError> {
    stream.set_nodelay(true).map_err(LaneError::Io)?;
    let failed = |source| LaneError::Tls { peer: peer.to_owned(), source };
    let handshake = timeout(SETUP_LIMIT, acceptor.accept(stream)).await;
    let stream = handshake.map_err(|_| LaneError::Silent { limit: SETUP_LIMIT })?.map_err(failed)?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN) {
        return Err(LaneError::Protocol { peer: peer.to_owned() });
    }
    let certificates = session.peer_certificates().unwrap_or_default();
    let certificates = certificates.iter().map(|c| c.clone().into_owned()).collect();
    Ok((stream, certificates))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_replication::digest::hash_bytes;
    use qianyun_replication::frame::Codec;
    use qianyun_replication::geometry::DeviceId;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn the_payload_of_data_begins_at_a_page() {
        let (here, there) = tokio::io::duplex(1 << 20);
        let (mut reader, _) = split(there);
        let (_, mut writer) = split(here);
        let payload = vec![7; 4096];
        let data = Message::Data {
            device: DeviceId(0),
            offset: 0,
            raw_len: 4096,
            codec: Codec::None,
            hash: hash_bytes(&payload),
            last: true,
            seq: 1,
            payload: &payload,
        };
        writer.send(&frame(&data, 1, 2)).await.unwrap();
        let (header, message) = reader.next(LIMIT).await.unwrap();
        assert_eq!((header.session, header.epoch, &message), (1, 2, &data));
        let Message::Data { payload, .. } = message else { panic!("another message") };
        assert_eq!(payload.as_ptr().addr() % ALIGNMENT, 0);
    }

    #[tokio::test]
    async fn a_refusal_and_an_end_are_errors_that_say_so() {
        let (here, there) = tokio::io::duplex(1 << 16);
        let (mut reader, _) = split(there);
        let (_, mut writer) = split(here);
        let refusal = Message::Error { code: ErrorCode::WrongDisk, text: "another".to_owned() };
        writer.close(&frame(&refusal, 1, 2)).await;
        let refused = reader.next(LIMIT).await.unwrap_err();
        assert!(matches!(refused, LaneError::Refused { code: ErrorCode::WrongDisk, .. }));
        assert!(matches!(reader.next(LIMIT).await.unwrap_err(), LaneError::Left));
    }

    #[tokio::test]
    async fn what_is_not_a_frame_ends_the_lane() {
        let (here, there) = tokio::io::duplex(1 << 16);
        let (mut reader, _) = split(there);
        let (_, mut writer) = split(here);
        writer.send(&[0; 64]).await.unwrap();
        assert!(matches!(reader.next(LIMIT).await.unwrap_err(), LaneError::Frame(FrameError::Magic { found: 0 })));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_lane() {
        let (_here, there) = tokio::io::duplex(1 << 16);
        let (mut reader, _) = split(there);
        assert!(matches!(reader.next(SILENCE_LIMIT).await.unwrap_err(), LaneError::Silent { .. }));
    }
}
