//! Output as lines: lossy UTF-8, of bounded length.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

/// A line longer than this many bytes comes in pieces.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

const READ_BYTES: usize = 4096;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of output without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it came from.
    pub output: Output,
    /// Its text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Reads a stream to its end. Stops early when nobody takes the lines any more.
pub(super) async fn read<R>(mut stream: R, output: Output, lines: mpsc::Sender<Line>)
where
    R: AsyncRead + Unpin,
{
    let mut buffer = vec![0; READ_BYTES];
    let mut splitter = Splitter::default();
    let mut ready = Vec::new();
    loop {
        // A failing pipe gives no more output than a closed one.
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            splitter.end(&mut ready);
        } else {
            splitter.push(&buffer[..count], &mut ready);
        }
        for text in ready.drain(..) {
            if lines.send(Line { output, text }).await.is_err() {
                return;
            }
        }
        if count == 0 {
            return;
        }
    }
}

/// Splits bytes into lines at `\n` and `\r`; empty lines are left out.
#[derive(Default)]
struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, mut bytes: &[u8], lines: &mut Vec<String>) {
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&bytes[..end], lines);
            self.end(lines);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, lines);
    }

    fn extend(&mut self, mut bytes: &[u8], lines: &mut Vec<String>) {
        while self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            let (fits, rest) = bytes.split_at(MAX_LINE_BYTES - self.partial.len());
            self.partial.extend_from_slice(fits);
            self.end(lines);
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn end(&mut self, lines: &mut Vec<String>) {
        if !self.partial.is_empty() {
            lines.push(String::from_utf8_lossy(&self.partial).into_owned());
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, &mut lines);
        }
        splitter.end(&mut lines);
        lines
    }

    #[test]
    fn lines_end_at_newline_and_carriage_return() {
        assert_eq!(split(&[b"a\r\nb", b"c\n\n", b"10%\r20%"]), ["a", "bc", "10%", "20%"]);
    }

    #[test]
    fn long_lines_come_in_pieces_and_lose_nothing() {
        let long = vec![b'x'; 2 * MAX_LINE_BYTES + 5];
        let lengths: Vec<usize> = split(&[&long, b"\n"]).iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 5]);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(split(&[b"caf\xe9\n"]), ["caf\u{fffd}"]);
    }
}
