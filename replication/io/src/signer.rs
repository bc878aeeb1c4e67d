//! Who signs records: the owner of a key, which never comes into this crate.

/// Signs the bytes of a record. The agent and the receiver implement it with the key of their certificate.
pub trait Signer: Send + Sync {
    /// ECDSA P-256 with SHA-256 over `bytes`, ASN.1 DER. An error is words for the log.
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String>;

    /// The certificate of the key, PEM.
    fn certificate_pem(&self) -> String;
}
