//! The files of a tar archive, one after the other, out of a body that comes in pieces; nothing is kept of what was passed.
//!
//! Archives that other programs made are read too: whatever folder a file is in, by its last name alone; folders, links and
//! headers with further attributes are passed over, and so are hidden files.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream, stream::BoxStream};
use tokio::sync::Mutex;

use super::TransferError;

/// What an archive is made of.
const BLOCK: usize = 512;
/// The largest file: 8 EiB, what systems can address.
const SIZE_MAX: u64 = i64::MAX as u64;

/// An archive that is read.
pub(super) struct Unpacker {
    body: BoxStream<'static, io::Result<Bytes>>,
    /// How long the body may stand still.
    idle: Duration,
    /// What came and was not looked at yet.
    input: Bytes,
    /// What is still to come of the content of the file that is open.
    content: u64,
    /// What stands between that and the next file.
    padding: u64,
}

/// A file of an archive, whose content comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The name, without the folders that it is in.
    pub(super) name: String,
    /// How many bytes it has.
    pub(super) size: u64,
}

impl Unpacker {
    pub(super) fn new(body: impl Stream<Item = io::Result<Bytes>> + Send + 'static, idle: Duration) -> Self {
        Self { body: body.boxed(), idle, input: Bytes::new(), content: 0, padding: 0 }
    }

    /// The next file, after what is left of the one before; `None` at the end of the archive.
    pub(super) async fn next_file(&mut self) -> Result<Option<File>, TransferError> {
        loop {
            let passed = std::mem::take(&mut self.content) + std::mem::take(&mut self.padding);
            self.pass(passed).await?;
            let block = self.block().await?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let (size, name) = head(&block)?;
            self.content = size;
            self.padding = size.next_multiple_of(BLOCK as u64) - size;
            if let Some(name) = name {
                return Ok(Some(File { name, size }));
            }
        }
    }

    /// The whole content of the open file, which has at most `bytes_max`.
    pub(super) async fn whole(&mut self, file: &File, bytes_max: u64) -> Result<Vec<u8>, TransferError> {
        if file.size > bytes_max {
            let File { name, size } = file;
            let detail = format!("\"{name}\" has {size} bytes; a definition has at most {bytes_max}");
            return Err(TransferError::Archive(detail));
        }
        let mut whole = Vec::new();
        while self.content > 0 {
            self.wait().await?;
            whole.extend_from_slice(&self.some().await?);
        }
        Ok(whole)
    }

    /// Some bytes of the open file, at least one.
    async fn some(&mut self) -> Result<Bytes, TransferError> {
        self.fill().await?;
        let length = usize::try_from(self.content).unwrap_or(usize::MAX).min(self.input.len());
        self.content -= length as u64;
        Ok(self.input.split_to(length))
    }

    async fn pass(&mut self, mut length: u64) -> Result<(), TransferError> {
        while length > 0 {
            self.wait().await?;
            let passed = usize::try_from(length).unwrap_or(usize::MAX).min(self.input.len());
            let _ = self.input.split_to(passed);
            length -= passed as u64;
        }
        Ok(())
    }

    async fn block(&mut self) -> Result<[u8; BLOCK], TransferError> {
        let (mut block, mut at) = ([0; BLOCK], 0);
        while let Some(room) = block.get_mut(at..).filter(|room| !room.is_empty()) {
            self.wait().await?;
            let length = room.len().min(self.input.len());
            for (to, from) in room.iter_mut().zip(self.input.split_to(length)) {
                *to = from;
            }
            at += length;
        }
        Ok(block)
    }

    /// Waits until there is input, but not for ever.
    async fn wait(&mut self) -> Result<(), TransferError> {
        tokio::time::timeout(self.idle, self.fill()).await.map_err(|_| TransferError::Idle)?
    }

    async fn fill(&mut self) -> Result<(), TransferError> {
        while self.input.is_empty() {
            self.input = match self.body.next().await {
                Some(Ok(more)) => more,
                None | Some(Err(_)) => return Err(TransferError::Cut),
            };
        }
        Ok(())
    }
}

/// The content of the open file as the body of an import, which itself minds how long it stands still.
pub(super) fn content(unpacker: Arc<Mutex<Unpacker>>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(unpacker, |unpacker| async move {
        let mut open = unpacker.lock().await;
        let some = match open.content {
            0 => return None,
            _ => open.some().await.map_err(io::Error::other),
        };
        drop(open);
        Some((some, unpacker))
    })
}

/// What a header says: the size of what follows, and the name of the file if it is one to read.
fn head(block: &[u8; BLOCK]) -> Result<(u64, Option<String>), TransferError> {
    let header = tar::Header::from_byte_slice(block);
    // The sum counts its own eight bytes as spaces.
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    if header.cksum().ok() != Some(sum) {
        return Err(TransferError::Archive(
            "it is no tar archive, or a damaged one: the sum of a header is wrong".into(),
        ));
    }
    let size = header.entry_size().map_err(|_| TransferError::Archive("a header tells no size".into()))?;
    if size > SIZE_MAX {
        return Err(TransferError::Archive("a header tells a size that no file has".into()));
    }
    if header.entry_type().is_gnu_longname() {
        return Err(TransferError::Archive("a path in it is longer than 100 bytes".into()));
    }
    if header.entry_type() != tar::EntryType::Regular {
        return Ok((size, None));
    }
    let path = header.path_bytes();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    Ok((size, Some(name).filter(|name| !name.is_empty() && !name.starts_with('.'))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of an archive that comes in pieces of so many bytes.
    fn read(archive: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, TransferError> {
        let pieces: Vec<_> = archive.chunks(piece.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut unpacker = Unpacker::new(stream::iter(pieces), Duration::MAX);
        let all = async {
            let mut files = Vec::new();
            while let Some(file) = unpacker.next_file().await? {
                let whole = unpacker.whole(&file, u64::MAX).await?;
                files.push((file.name, whole));
            }
            Ok(files)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(all)
    }

    fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    proptest! {
        #[test]
        fn files_come_out_as_they_went_in_whatever_the_pieces(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1500), 0..4),
            piece in 1..2000_usize,
            cut in any::<proptest::sample::Index>(),
        ) {
            let named = |(n, content): (usize, Vec<u8>)| (format!("file{n}.jsonl"), content);
            let files: Vec<_> = contents.into_iter().enumerate().map(named).collect();
            let bytes = archive(&files);
            prop_assert_eq!(read(&bytes, piece).unwrap(), files);
            // One that is cut off before its end is never taken for a whole one.
            let end = bytes.len() - 2 * BLOCK;
            let short = &bytes[..cut.index(end + 1)];
            prop_assert!(matches!(read(short, piece), Err(TransferError::Cut)));
        }

        #[test]
        fn what_is_no_archive_is_refused(bytes in proptest::collection::vec(1..255_u8, 512..2000)) {
            prop_assert!(matches!(read(&bytes, 700), Err(TransferError::Archive(_))));
        }
    }

    #[test]
    fn a_size_that_no_file_has_is_refused() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a.jsonl").unwrap();
        header.set_size(u64::MAX);
        header.set_cksum();
        let bytes = [header.as_bytes().as_slice(), &[0; 1024]].concat();
        assert!(matches!(read(&bytes, 512), Err(TransferError::Archive(_))));
    }

    #[test]
    fn folders_links_and_hidden_files_are_passed_over() {
        let mut made = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_cksum();
        made.append_data(&mut header, "shop/", [].as_slice()).unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        made.append_link(&mut header, "shop/link.jsonl", "/etc/passwd").unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(2);
        header.set_cksum();
        made.append_data(&mut header, "./shop/._a.jsonl", b"no".as_slice()).unwrap();
        made.append_data(&mut header, "./shop/a.jsonl", b"{}".as_slice()).unwrap();
        let files = read(&made.into_inner().unwrap(), 100).unwrap();
        assert_eq!(files, [("a.jsonl".to_owned(), b"{}".to_vec())]);
    }
}
