//! An object's content on its way out, streamed from its file.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, ReadBuf};

use crate::{AccessBlob, Object};

/// How much is read at once.
const PIECE: usize = 128 * 1024;

/// An opened object: its content stays readable, even when the object is overwritten or deleted.
#[derive(Debug)]
pub struct Content {
    /// The object as it was when it was opened.
    pub object: Arc<Object>,
    pub(crate) file: std::fs::File,
    pub(crate) path: PathBuf,
}

impl Content {
    /// The bytes from `first` on, `length` of them, as a body. The caller keeps both within the
    /// object's size.
    ///
    /// # Errors
    /// The file cannot be positioned.
    pub async fn into_body(self, first: u64, length: u64) -> Result<ContentBody, AccessBlob> {
        let mut file = File::from_std(self.file);
        if first > 0 {
            let start = io::SeekFrom::Start(first);
            file.seek(start).await.map_err(AccessBlob::at(&self.path))?;
        }
        Ok(ContentBody { file, left: length })
    }

    /// The first bytes, at most `most` of them, of an object that is small.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn into_bytes(self, most: u64) -> Result<Vec<u8>, AccessBlob> {
        let mut bytes = Vec::new();
        let mut file = File::from_std(self.file).take(most);
        file.read_to_end(&mut bytes).await.map_err(AccessBlob::at(&self.path))?;
        Ok(bytes)
    }
}

/// The body of a reply that is read from a file while it is sent.
#[derive(Debug)]
pub struct ContentBody {
    file: File,
    left: u64,
}

impl ContentBody {
    /// The first `length` bytes of any file.
    pub fn of(file: std::fs::File, length: u64) -> Self {
        Self { file: File::from_std(file), left: length }
    }
}

impl Body for ContentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let want = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let mut piece = BytesMut::zeroed(want);
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the content file is short");
            return Poll::Ready(Some(Err(error)));
        }
        piece.truncate(read);
        self.left -= read as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
