//! Secrets at rest: encrypted with a key that lies beside the database, not in it, so that a copy
//! of the database alone gives nobody's key away.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_os::file::{self, WriteFile};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const KEY_LEN: usize = 32;

/// Encrypts and decrypts secrets.
pub(crate) struct SealingKey {
    key: LessSafeKey,
}

/// Why the key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenSealingKey {
    /// It exists and cannot be read.
    #[error("cannot read the key file `{}`", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is not a key.
    #[error(
        "the key file `{}` has {length} bytes instead of 32: restore it from the backup",
        path.display()
    )]
    Length {
        /// The key file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The database has secrets, and the key to them is gone.
    #[error(
        "the key file `{}` is missing and the database's secrets cannot be read without it: \
         restore it from the backup of the data directory",
        .0.display()
    )]
    Missing(PathBuf),
    /// A new one could not be written.
    #[error("cannot write a new key file")]
    Write(#[source] WriteFile),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// A secret that cannot be decrypted: the database and the key file do not belong together.
#[derive(Debug, thiserror::Error)]
#[error("the secret of `{0}` cannot be decrypted: the key file does not belong to this database")]
pub(crate) struct Unseal(String);

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandom;

impl SealingKey {
    /// Reads the key file, or makes one if `may_create`.
    pub(crate) fn open(path: &Path, may_create: bool) -> Result<Self, OpenSealingKey> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let length = bytes.len();
                Self::new(&bytes)
                    .ok_or_else(|| OpenSealingKey::Length { path: path.to_owned(), length })
            }
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(OpenSealingKey::Read { path: path.to_owned(), source })
            }
            Err(_) if !may_create => Err(OpenSealingKey::Missing(path.to_owned())),
            Err(_) => {
                let bytes = random::<KEY_LEN>().map_err(|NoRandom| OpenSealingKey::Random)?;
                file::write_atomically(path, &bytes, 0o600).map_err(OpenSealingKey::Write)?;
                Self::new(&bytes).ok_or(OpenSealingKey::Random)
            }
        }
    }

    fn new(bytes: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self { key: LessSafeKey::new(key) })
    }

    /// Encrypts `secret`; it can be decrypted only under the same `owner`, so that rows cannot be
    /// exchanged.
    pub(crate) fn seal(&self, owner: &str, secret: &str) -> Result<String, NoRandom> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| NoRandom)?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Decrypts what [`Self::seal`] made for `owner`.
    pub(crate) fn unseal(&self, owner: &str, sealed: &str) -> Result<String, Unseal> {
        self.open_sealed(owner, sealed).ok_or_else(|| Unseal(owner.to_owned()))
    }

    fn open_sealed(&self, owner: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut sealed);
        String::from_utf8(secret.ok()?.to_vec()).ok()
    }
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_sealed_secret_opens_for_its_owner_after_reopening_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        let sealed = SealingKey::open(&path, true).unwrap().seal("AKIA1", "secret").unwrap();
        assert!(!sealed.contains("secret"));
        let key = SealingKey::open(&path, false).unwrap();
        assert_eq!(key.unseal("AKIA1", &sealed).unwrap(), "secret");
        assert!(key.unseal("AKIA2", &sealed).is_err());
        assert!(key.unseal("AKIA1", "AAAA").is_err());
    }

    #[test]
    fn the_key_file_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        SealingKey::open(&path, true).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lost_or_damaged_key_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.key");
        assert!(matches!(SealingKey::open(&path, false), Err(OpenSealingKey::Missing(_))));
        std::fs::write(&path, b"short").unwrap();
        let damaged = SealingKey::open(&path, true);
        assert!(matches!(damaged, Err(OpenSealingKey::Length { length: 5, .. })));
    }
}
