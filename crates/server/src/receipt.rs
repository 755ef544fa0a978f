//! Receipts of wipes: a statement without personal data, signed with the workspace's ed25519 key
//! (RFC 8032), so that anyone can check later that the company said so.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::app::random;

pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// Reads the key from the data folder, or makes one there that only its owner may read.
    pub fn open(file: &Path) -> io::Result<Signer> {
        match std::fs::read(file) {
            Ok(bytes) => {
                let seed: [u8; 32] = bytes.try_into().map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "the signing key has not 32 bytes")
                })?;
                Ok(Signer { key: SigningKey::from_bytes(&seed) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = random::<32>();
                write_private(file, &seed)?;
                Ok(Signer { key: SigningKey::from_bytes(&seed) })
            }
            Err(error) => Err(error),
        }
    }

    /// The public key in base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.key.verifying_key().as_bytes())
    }

    /// The signature over the statement's UTF-8 bytes, in base64.
    pub fn sign(&self, statement: &str) -> String {
        STANDARD.encode(self.key.sign(statement.as_bytes()).to_bytes())
    }
}

fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut out =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(bytes)?;
    out.sync_all()
}
