//! The lock file that keeps a second process out of a data folder: two processes would each believe to be the one
//! writer and the one feed. Taken by `SqliteStore::open`; the operating system lets go of it when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::OpenError;

/// A lock on a folder, held until it is released or dropped.
pub(super) struct FolderLock(File);

impl FolderLock {
    /// Takes the lock of `folder`.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another holds it.
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let refused = |error| OpenError::Folder {
            folder: folder.to_path_buf(),
            error,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("salon.lock"))
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(refused(error)),
        }
    }

    /// Lets go of it.
    pub(super) fn release(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the data folder was not released");
        }
    }
}
