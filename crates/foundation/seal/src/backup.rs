//! Backups are encrypted to a recovery key that the server does not have: age (age-encryption.org/v1, X25519), so that
//! anyone's tools open them.
//!
//! Refuses recipients of other kinds, and files that were altered or cut: each chunk is authenticated, the last as the
//! last.

use crate::Zeroizing;
use age::secrecy::ExposeSecret;
use std::{
    fmt,
    io::{self, Read, Write},
    str::FromStr,
};

/// Why a backup could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum BackupKeyError {
    #[error("it is not a recipient as in `age1…`")]
    Recipient,
    #[error("it is not a recovery key as in `AGE-SECRET-KEY-1…`")]
    Key,
    #[error("the file was not made for this recovery key, or its head was altered")]
    OtherKey,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// For whom backups are made; public.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

impl FromStr for Recipient {
    type Err = BackupKeyError;

    fn from_str(text: &str) -> Result<Self, BackupKeyError> {
        text.trim().parse().map(Self).map_err(|_: &str| BackupKeyError::Recipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

impl Recipient {
    /// What is written through it goes out encrypted. Nothing is whole before [`Encrypting::finish`].
    ///
    /// # Errors
    /// As the writer's.
    pub fn encrypt<W: Write>(&self, to: W) -> Result<Encrypting<W>, BackupKeyError> {
        let recipients = std::iter::once(&self.0 as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| BackupKeyError::Recipient)?;
        Ok(Encrypting(encryptor.wrap_output(to)?))
    }
}

/// A writer that encrypts.
pub struct Encrypting<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> fmt::Debug for Encrypting<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypting")
    }
}

impl<W: Write> Encrypting<W> {
    /// Writes the last chunk.
    ///
    /// # Errors
    /// As the writer's.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Encrypting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens backups. Kept apart from the server and from the backups.
#[derive(Clone)]
pub struct RecoveryKey(age::x25519::Identity);

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryKey(for {})", self.0.to_public())
    }
}

impl RecoveryKey {
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The file of a key, as `age-keygen` writes it.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        let key = self.0.to_string();
        Zeroizing::new(format!("# public key: {}\n{}\n", self.0.to_public(), key.expose_secret()))
    }

    /// Reads the first key of a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`BackupKeyError::Key`].
    pub fn from_file(text: &str) -> Result<Self, BackupKeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.next().and_then(|line| line.parse().ok()).map(Self).ok_or(BackupKeyError::Key)
    }

    /// Reads what was encrypted for it.
    ///
    /// # Errors
    /// [`BackupKeyError::OtherKey`]. What is altered further on fails while it is read.
    pub fn decrypt<R: Read>(&self, from: R) -> Result<impl Read + use<R>, BackupKeyError> {
        let decryptor = age::Decryptor::new(from).map_err(|_| BackupKeyError::OtherKey)?;
        let identities = std::iter::once(&self.0 as &dyn age::Identity);
        decryptor.decrypt(identities).map_err(|_| BackupKeyError::OtherKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(recipient: &Recipient, text: &[u8]) -> Vec<u8> {
        let mut out = recipient.encrypt(Vec::new()).unwrap();
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn opened(key: &RecoveryKey, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        key.decrypt(bytes).ok()?.read_to_end(&mut text).ok()?;
        Some(text)
    }

    #[test]
    fn only_the_recovery_key_opens_and_no_byte_may_change() {
        let key = RecoveryKey::from_file(&RecoveryKey::generate().to_file()).unwrap();
        let text = vec![7; 100_000];
        let bytes = sealed(&key.recipient().to_string().parse().unwrap(), &text);
        assert_eq!(opened(&key, &bytes).as_deref(), Some(&text[..]));
        assert_eq!(opened(&RecoveryKey::generate(), &bytes), None);
        for at in [0, 30, 100, 200, 500, 70_000, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(opened(&key, &bad), None, "byte {at}");
        }
        for cut in [0, 100, 65_000, bytes.len() - 1] {
            assert_eq!(opened(&key, &bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_no_key_is_shown() {
        assert!("age1nonsense".parse::<Recipient>().is_err() && RecoveryKey::from_file("# nothing\n").is_err());
        let key = RecoveryKey::generate();
        assert!(!format!("{key:?}").contains("SECRET"));
    }
}
