//! What names a disk for good: a volume takes only the disk that it was made for.
//!
//! The same fields, under the same names, as in the wire contract of the agent; compared as a whole, never in part.

use serde::{Deserialize, Serialize};

/// The longest text in an identity. The longest in the field are 64-character serial numbers and 16-byte WWNs in hex.
pub const MAX_IDENTITY_TEXT: usize = 256;

/// A disk as it was approved. The fields stand in the order of their JSON names: see [`crate::record`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceIdentity {
    /// Logical sector size, bytes.
    pub logical_block_bytes: u32,
    /// Serial number; empty if the disk has none.
    pub serial: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// MBR signature or GPT GUID; empty if there is no table.
    pub table_id: String,
    /// World-wide name; empty if the disk has none.
    pub wwn: String,
}

impl std::fmt::Display for DeviceIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { logical_block_bytes, serial, size_bytes, table_id, wwn } = self;
        write!(
            f,
            "serial {serial:?}, wwn {wwn:?}, {size_bytes} bytes in sectors of {logical_block_bytes}, table {table_id:?}"
        )
    }
}
