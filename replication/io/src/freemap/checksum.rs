//! The cyclic checksums of tables and filesystems, each with the parameters of its format. Pure; never says what follows
//! from a wrong one.

/// Polynomials with their bits in reverse, as all formats here shift to the right.
const IEEE: u32 = 0xEDB8_8320;
const CASTAGNOLI: u32 = 0x82F6_3B78;
const ANSI: u32 = 0xA001;

static IEEE_TABLE: [u32; 256] = table(IEEE);
static CASTAGNOLI_TABLE: [u32; 256] = table(CASTAGNOLI);
static ANSI_TABLE: [u32; 256] = table(ANSI);

/// What each value of a byte does to the remainder. The array is filled at compile time.
#[allow(clippy::cast_possible_truncation)] // an index of 256 entries fits
const fn table(polynomial: u32) -> [u32; 256] {
    let mut entries = [0; 256];
    let mut index = 0;
    while index < entries.len() {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        entries[index] = value;
        index += 1;
    }
    entries
}

fn remainder(table: &[u32; 256], start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| (crc >> 8) ^ table[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

/// CRC-32 as in IEEE 802.3: GPT.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !remainder(&IEEE_TABLE, u32::MAX, bytes)
}

/// CRC-32C: xfs and btrfs.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !crc32c_from(u32::MAX, bytes)
}

/// CRC-32C without the inversions at both ends, so that it can go on from where another ended: ext4.
pub(super) fn crc32c_from(start: u32, bytes: &[u8]) -> u32 {
    remainder(&CASTAGNOLI_TABLE, start, bytes)
}

/// CRC-16 without inversions, going on from another: group descriptors of ext4 before it had the stronger sums.
pub(super) fn crc16_from(start: u32, bytes: &[u8]) -> u32 {
    remainder(&ANSI_TABLE, start, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_catalogue() {
        let check = b"123456789";
        assert_eq!(crc32(check), 0xCBF4_3926);
        assert_eq!(crc32c(check), 0xE306_9283);
        assert_eq!(crc16_from(0xFFFF, check), 0x4B37);
        assert_eq!(crc32c_from(crc32c_from(u32::MAX, &check[..4]), &check[4..]), !0xE306_9283);
    }
}
