//! The index files in memory, each kind booked to a tag of its own.
//!
//! tantivy decides when it writes which file. It writes through a `Directory`
//! that we give it, so the scope is entered there: this is how the memory of a
//! library is told apart without changing the library.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use heapledger::Tag;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, FileHandle, FileSlice, RamDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

static POSTINGS: Tag = Tag::new("index/postings");
static POSITIONS: Tag = Tag::new("index/positions");
static TERMS: Tag = Tag::new("index/terms");
static COLUMNS: Tag = Tag::new("index/columns");
static OTHER: Tag = Tag::new("index/other");

/// The tag of an index file, told by its extension.
fn tag_of(file: &Path) -> &'static Tag {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("idx") => &POSTINGS,
        Some("pos") => &POSITIONS,
        Some("term") => &TERMS,
        Some("fast" | "fieldnorm") => &COLUMNS,
        _ => &OTHER,
    }
}

/// A folder of index files in memory.
#[derive(Clone, Debug, Default)]
pub struct TaggedDirectory {
    files: RamDirectory,
}

impl Directory for TaggedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn open_read(&self, path: &Path) -> Result<FileSlice, OpenReadError> {
        self.files.open_read(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let tag = tag_of(path);
        let _scope = tag.enter();
        let file = self.files.open_write(path)?;
        Ok(BufWriter::new(Box::new(TaggedWriter { tag, file })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.files.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let _scope = tag_of(path).enter();
        self.files.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

/// An index file that is being written.
struct TaggedWriter {
    tag: &'static Tag,
    file: WritePtr,
}

impl Write for TaggedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _scope = self.tag.enter();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let _scope = self.tag.enter();
        self.file.flush()
    }
}

impl TerminatingWrite for TaggedWriter {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        let _scope = self.tag.enter();
        self.file.terminate_ref(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let directory = TaggedDirectory::default();
        let path = Path::new("segment.idx");
        let mut file = directory.open_write(path).expect("a new file");
        file.write_all(b"postings").expect("memory");
        file.terminate().expect("memory");
        let read = directory.open_read(path).expect("the file").read_bytes().expect("bytes");
        assert_eq!(read.as_slice(), b"postings");
        assert!(matches!(directory.open_write(path), Err(OpenWriteError::FileAlreadyExists(_))));
    }

    #[test]
    fn every_kind_of_file_has_a_tag() {
        let names = ["s.idx", "s.pos", "s.term", "s.fast", "s.fieldnorm", "s.store", "meta.json"];
        let tags = names.map(|name| tag_of(Path::new(name)).name().to_owned());
        let expected = ["postings", "positions", "terms", "columns", "columns", "other", "other"];
        assert_eq!(tags, expected.map(|kind| format!("index/{kind}")));
    }
}
