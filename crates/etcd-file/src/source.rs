//! Where the bytes come from: anything that can be read at an offset.

use std::io;

/// Bytes that can be read at any offset, by several threads at once.
///
/// Implemented for byte slices, and with the feature `live` for [`std::fs::File`], which is read with `pread` and never mapped: a file
/// that is cut under a mapping kills the process.
///
/// ```
/// use trimtab_etcd_file::ReadAt;
///
/// let mut two = [0; 2];
/// b"abcd".read_exact_at(&mut two, 1)?;
/// assert_eq!(&two, b"bc");
/// assert!(b"abcd".read_exact_at(&mut two, 3).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ReadAt: Sync {
    /// How many bytes there are now; a file may grow or shrink between two calls.
    ///
    /// # Errors
    /// What the source says.
    fn length(&self) -> io::Result<u64>;

    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the source ends before, or what the source says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let begin = usize::try_from(offset).ok();
        let found = begin.and_then(|begin| self.get(begin..begin.checked_add(buffer.len())?));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<const N: usize> ReadAt for [u8; N] {
    fn length(&self) -> io::Result<u64> {
        self.as_slice().length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        self.as_slice().length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }
}

#[cfg(all(feature = "live", unix))]
impl ReadAt for std::fs::File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}
