//! The 48-byte header in front of every frame between the two ends, and its bounds.
//!
//! ```text
//! magic u16 | version u8 | type u8 | flags u16 | codec u8 | reserved u8 | session u64 | device u32 | epoch u32 |
//! offset u64 | raw_len u32 | wire_len u32 | seq u64            all little-endian
//! ```
//!
//! `wire_len` bytes follow the header. Whatever does not fit is refused here, before anything is allocated for it. A
//! header of zeros is invalid. Never here: what a frame means (`message.rs`), sockets.

use crate::geometry::{CHUNK_BYTES, DeviceId};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 48;
/// `"QY"`, as the first two bytes on the wire.
pub const MAGIC: u16 = u16::from_le_bytes(*b"QY");
/// Version of the framing. 1: the first.
pub const VERSION: u8 = 1;
/// The application protocol that both ends name in the TLS handshake.
pub const ALPN: &[u8] = b"qianyun-data/1";
/// The most bytes that may follow a header: a chunk, its hash, and what a codec adds to incompressible data.
pub const MAX_WIRE_BYTES: u32 = 1024 * 1024 + 64 * 1024;
/// The longest extent a header may name: one chunk.
pub const MAX_RAW_BYTES: u32 = 1024 * 1024;
/// Set on the last frame of a job: with it, the job's sequence number is complete.
pub const FLAG_LAST: u16 = 1;

const _: () = assert!(MAX_RAW_BYTES as u64 == CHUNK_BYTES);

/// Why a header is refused. The connection is of no use after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not a frame at all, or the stream has lost its place.
    #[error("frame begins with {found:#06x}, expected {MAGIC:#06x}: the peer does not speak this protocol")]
    Magic {
        /// The first two bytes.
        found: u16,
    },
    /// A peer of another version.
    #[error("frame version {found}, expected {VERSION}: install the same release at both ends")]
    Version {
        /// What it says.
        found: u8,
    },
    /// A type that this version does not know.
    #[error("frame type {found} is not known in version {VERSION}")]
    Type {
        /// What it says.
        found: u8,
    },
    /// A codec that this version does not know.
    #[error("codec {found} is not known in version {VERSION}")]
    Codec {
        /// What it says.
        found: u8,
    },
    /// Bits that have no meaning yet.
    #[error("reserved bits are set: flags {flags:#06x}, reserved byte {reserved:#04x}, expected zero")]
    Reserved {
        /// The flags field.
        flags: u16,
        /// The reserved byte.
        reserved: u8,
    },
    /// A length beyond its bound.
    #[error("{what} is {found} bytes, expected at most {limit}")]
    TooLong {
        /// Which length.
        what: &'static str,
        /// What it says.
        found: u32,
        /// The bound.
        limit: u32,
    },
}

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident, $error:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $value,)* }

        impl $name {
            /// Every value there is.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The value for a byte from the wire.
            pub fn from_wire(found: u8) -> Result<Self, FrameError> {
                match found { $($value => Ok($name::$variant),)* _ => Err(FrameError::$error { found }) }
            }

            /// The byte on the wire.
            pub fn to_wire(self) -> u8 {
                match self { $($name::$variant => $value,)* }
            }
        }
    };
}

wire_enum! {
    /// What a frame is. `S→R` is from sender to receiver. Zero is invalid; 17 is free, and was never sent.
    FrameType, Type {
        /// S→R: session, lane, and the epoch to join; first frame of every connection.
        Hello = 1,
        /// R→S: the epoch of this link and the window.
        Welcome = 2,
        /// S→R: a disk and the volume it goes to.
        Open = 3,
        /// R→S: the volume is that disk's, and which chunks of it may not be zero.
        Opened = 4,
        /// S→R: an extent with its hash.
        Data = 5,
        /// S→R: an extent of zeros.
        Zero = 6,
        /// S→R: what is the read-back hash of this chunk?
        HashRequest = 7,
        /// R→S: the hash of the chunk as read back from the medium.
        HashResponse = 8,
        /// S→R: tell when everything before this is durable.
        Barrier = 9,
        /// R→S: everything before the barrier of this number is durable.
        BarrierReached = 10,
        /// S→R: what is the device root?
        RootRequest = 11,
        /// R→S: the device root, from hashes that were read back.
        RootResponse = 12,
        /// S→R: the record and the source's signature.
        RecordProposal = 13,
        /// R→S: the target's signature.
        RecordAnswer = 14,
        /// R→S: everything up to this number is durable.
        Ack = 15,
        /// R→S: the job of this number came too late and was not applied.
        Stale = 16,
        /// S→R: are you there?
        Ping = 18,
        /// R→S: yes.
        Pong = 19,
        /// Either way: what went wrong; the connection ends.
        Error = 20,
        /// Either way: an orderly end.
        Bye = 21,
    }
}

wire_enum! {
    /// How the payload of a [`FrameType::Data`] frame is packed.
    Codec, Codec {
        /// As it is.
        None = 0,
        /// One zstd frame.
        Zstd = 1,
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: FrameType,
    /// See [`FLAG_LAST`].
    pub flags: u16,
    /// Packing of the payload.
    pub codec: Codec,
    /// Replication session.
    pub session: u64,
    /// Which device; 0 where none is meant.
    pub device: DeviceId,
    /// Epoch in which the content was decided.
    pub epoch: u32,
    /// Bytes from the start of the device.
    pub offset: u64,
    /// Bytes of the extent.
    pub raw_len: u32,
    /// Bytes after the header.
    pub wire_len: u32,
    /// Sequence number within the lane.
    pub seq: u64,
}

impl Header {
    /// The header on the wire.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let Self { kind, flags, codec, session, device, epoch, offset, raw_len, wire_len, seq } = *self;
        let mut out = [0; HEADER_BYTES];
        out[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        out[2] = VERSION;
        out[3] = kind.to_wire();
        out[4..6].copy_from_slice(&flags.to_le_bytes());
        out[6] = codec.to_wire();
        out[8..16].copy_from_slice(&session.to_le_bytes());
        out[16..20].copy_from_slice(&device.0.to_le_bytes());
        out[20..24].copy_from_slice(&epoch.to_le_bytes());
        out[24..32].copy_from_slice(&offset.to_le_bytes());
        out[32..36].copy_from_slice(&raw_len.to_le_bytes());
        out[36..40].copy_from_slice(&wire_len.to_le_bytes());
        out[40..48].copy_from_slice(&seq.to_le_bytes());
        out
    }

    /// Reads a header and checks every bound.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let magic = u16::from_le_bytes(take(bytes, 0));
        if magic != MAGIC {
            return Err(FrameError::Magic { found: magic });
        }
        if bytes[2] != VERSION {
            return Err(FrameError::Version { found: bytes[2] });
        }
        let header = Self {
            kind: FrameType::from_wire(bytes[3])?,
            flags: u16::from_le_bytes(take(bytes, 4)),
            codec: Codec::from_wire(bytes[6])?,
            session: u64::from_le_bytes(take(bytes, 8)),
            device: DeviceId(u32::from_le_bytes(take(bytes, 16))),
            epoch: u32::from_le_bytes(take(bytes, 20)),
            offset: u64::from_le_bytes(take(bytes, 24)),
            raw_len: u32::from_le_bytes(take(bytes, 32)),
            wire_len: u32::from_le_bytes(take(bytes, 36)),
            seq: u64::from_le_bytes(take(bytes, 40)),
        };
        if header.flags & !FLAG_LAST != 0 || bytes[7] != 0 {
            return Err(FrameError::Reserved { flags: header.flags, reserved: bytes[7] });
        }
        bounded("the extent", header.raw_len, MAX_RAW_BYTES)?;
        bounded("the payload", header.wire_len, MAX_WIRE_BYTES)?;
        Ok(header)
    }
}

fn bounded(what: &'static str, found: u32, limit: u32) -> Result<(), FrameError> {
    if found > limit { Err(FrameError::TooLong { what, found, limit }) } else { Ok(()) }
}

fn take<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Header {
        Header {
            kind: FrameType::Data,
            flags: FLAG_LAST,
            codec: Codec::Zstd,
            session: 0x0102_0304_0506_0708,
            device: DeviceId(2),
            epoch: 3,
            offset: 0x10_0000,
            raw_len: 0x4_0000,
            wire_len: 0x1234,
            seq: 9,
        }
    }

    #[test]
    fn the_bytes_of_a_known_header_never_change() {
        let golden = "515901050100010008070605040302010200000003000000000010000000000000000400341200000900000000000000";
        assert_eq!(hex::encode(sample().encode()), golden);
    }

    #[test]
    fn a_header_of_zeros_is_invalid() {
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), Err(FrameError::Magic { found: 0 }));
        assert_eq!(FrameType::from_wire(0), Err(FrameError::Type { found: 0 }));
    }

    #[test]
    fn every_field_out_of_bounds_is_named() {
        let broken = |at: usize, byte: u8| {
            let mut bytes = sample().encode();
            bytes[at] = byte;
            Header::decode(&bytes).unwrap_err()
        };
        assert_eq!(broken(2, 9), FrameError::Version { found: 9 });
        assert_eq!(broken(3, 99), FrameError::Type { found: 99 });
        assert_eq!(broken(4, 3), FrameError::Reserved { flags: 3, reserved: 0 });
        assert_eq!(broken(6, 7), FrameError::Codec { found: 7 });
        assert_eq!(broken(7, 1), FrameError::Reserved { flags: 1, reserved: 1 });
        assert!(matches!(broken(35, 1), FrameError::TooLong { what: "the extent", .. }));
        assert!(matches!(broken(39, 1), FrameError::TooLong { what: "the payload", .. }));
    }

    #[test]
    fn every_type_and_codec_survives_the_wire() {
        for kind in FrameType::ALL {
            assert_eq!(FrameType::from_wire(kind.to_wire()), Ok(*kind));
        }
        for codec in Codec::ALL {
            assert_eq!(Codec::from_wire(codec.to_wire()), Ok(*codec));
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_what_it_accepts_comes_back(bytes in prop::array::uniform32(any::<u8>()), head in any::<bool>()) {
            let mut frame = sample().encode();
            frame[if head { 4 } else { 8 }..][..32].copy_from_slice(&bytes);
            if let Ok(header) = Header::decode(&frame) {
                prop_assert_eq!(header.encode(), frame);
            }
        }
    }
}
