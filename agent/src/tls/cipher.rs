//! Which cipher this machine is fastest at: AES where the processor has instructions for it, ChaCha20 where it has not, as on
//! old servers and many ARM ones. Both have keys of 256 bits; nothing weaker is offered for speed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SupportedCipherSuite};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The payload of a TLS record, which is what is sealed at once.
const RECORD_BYTES: usize = 16 * 1024;
/// Long enough for dozens of records on the slowest machine, short enough that nobody notices.
const MEASURE: Duration = Duration::from_millis(4);

/// Measured once.
static CHACHA_IS_FASTER: LazyLock<bool> = LazyLock::new(|| records(&CHACHA20_POLY1305) > records(&AES_256_GCM));

/// Puts the fastest cipher first: the client's order is the one that counts.
pub(super) fn fastest_first(mut provider: CryptoProvider) -> CryptoProvider {
    prefer(&mut provider.cipher_suites, *CHACHA_IS_FASTER);
    provider
}

fn prefer(suites: &mut [SupportedCipherSuite], chacha: bool) {
    let first =
        if chacha { CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 } else { CipherSuite::TLS13_AES_256_GCM_SHA384 };
    // Stable: the others stay as they were.
    suites.sort_by_key(|suite| suite.suite() != first);
}

/// How many records can be sealed in [`MEASURE`]; none, if the cipher is not to be had.
fn records(cipher: &'static Algorithm) -> u64 {
    let Ok(key) = UnboundKey::new(cipher, &vec![7; cipher.key_len()]).map(LessSafeKey::new) else { return 0 };
    let (mut record, began, mut count) = (vec![0; RECORD_BYTES], Instant::now(), 0);
    while began.elapsed() < MEASURE {
        // Only time is taken: neither this key nor this nonce ever protects anything.
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        if key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut record).is_err() {
            return 0;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs;

    #[test]
    fn the_faster_cipher_comes_first_and_no_other_is_lost() {
        for (chacha, first) in
            [(true, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256), (false, CipherSuite::TLS13_AES_256_GCM_SHA384)]
        {
            let mut suites = aws_lc_rs::default_provider().cipher_suites;
            let all = suites.len();
            prefer(&mut suites, chacha);
            assert_eq!((suites[0].suite(), suites.len()), (first, all));
        }
    }

    #[test]
    fn both_ciphers_can_be_measured() {
        assert!(records(&CHACHA20_POLY1305) > 0 && records(&AES_256_GCM) > 0);
    }
}
