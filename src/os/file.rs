//! A file, read without allocation.

use core::ffi::CStr;

/// An open file, closed when dropped.
pub(super) struct File(libc::c_int);

impl File {
    pub(super) fn open(path: &CStr) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string; without O_CREAT there is no mode.
        let fd = unsafe { libc::open(path.as_ptr(), flags) };
        (fd >= 0).then_some(Self(fd))
    }

    pub(super) fn fd(&self) -> libc::c_int {
        self.0
    }

    /// The next bytes; empty at the end of the file, `None` on an error.
    pub(super) fn read<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            // SAFETY: the buffer is valid for writes of its length.
            let got = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
            if let Ok(got) = usize::try_from(got) {
                return buffer.get(..got);
            }
            if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
                return None;
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed only here.
        unsafe { libc::close(self.0) };
    }
}

/// The lines of a file, through a buffer on the stack; a line longer than the
/// buffer is cut.
pub(super) struct Lines<const N: usize> {
    file: File,
    buffer: [u8; N],
    /// The part of the buffer that holds bytes not yet given out.
    start: usize,
    end: usize,
    /// The rest of a cut line is still to be skipped.
    skipping: bool,
}

impl<const N: usize> Lines<N> {
    pub(super) fn open(path: &CStr) -> Option<Self> {
        let file = File::open(path)?;
        Some(Self { file, buffer: [0; N], start: 0, end: 0, skipping: false })
    }

    /// The next line, without its end; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        loop {
            let held = self.buffer.get(self.start..self.end)?;
            if let Some(len) = held.iter().position(|&byte| byte == b'\n') {
                let line = self.start..self.start + len;
                self.start = line.end + 1;
                if core::mem::take(&mut self.skipping) {
                    continue;
                }
                return self.buffer.get(line);
            }
            if held.len() == N {
                // No end in a full buffer: this much of the line is given out.
                self.start = N;
                if !core::mem::replace(&mut self.skipping, true) {
                    return self.buffer.get(..N);
                }
            }
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let got = self.file.read(self.buffer.get_mut(self.end..)?)?.len();
            if got == 0 {
                // The files of /proc end with a line end: nothing is left over.
                return None;
            }
            self.end += got;
        }
    }
}

/// The number at the start of some bytes, in decimal.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = core::str::from_utf8(bytes.get(..digits)?).ok()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn lines<const N: usize>(text: &str, name: &str) -> Vec<String> {
        let path = std::env::temp_dir().join(format!("heapledger-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        let mut lines = Lines::<N>::open(&c_path).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            all.push(String::from_utf8(line.to_vec()).unwrap());
        }
        std::fs::remove_file(&path).unwrap();
        all
    }

    #[test]
    fn lines_come_whole_across_reads_and_long_ones_are_cut() {
        let text = "one\ntwo two\n\n12345678\n123456789\n12345678901234567890\nlast\n";
        assert_eq!(
            lines::<8>(text, "lines"),
            ["one", "two two", "", "12345678", "12345678", "12345678", "last"]
        );
        assert_eq!(lines::<4096>(text, "all").len(), 7);
    }

    #[test]
    fn a_missing_file_and_a_missing_number_are_none() {
        assert!(Lines::<8>::open(c"/no/such/file").is_none());
        assert_eq!(decimal(b"123 456"), Some(123));
        assert_eq!(decimal(b"x"), None);
        assert_eq!(decimal(b"99999999999999999999999"), None);
    }
}
