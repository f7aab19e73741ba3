//! The `aws-chunked` framing, which lets a body carry its checksum behind itself and be signed
//! in pieces.
//!
//! `hex-length[;chunk-signature=…] CRLF data CRLF … 0 CRLF [name:value CRLF …] CRLF`. SDKs send
//! it over TLS by default (cloud API, section 9.3). The decoder takes the body in whatever pieces
//! the network makes of it and holds no more than one line.

use std::mem;

use crate::sigv4::{BodyDigest, ChunkChain, Rejection};

/// The longest line between chunks; a signature line is some 100 bytes.
const MAX_LINE: usize = 4 * 1024;
const MAX_TRAILERS: usize = 16;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Why a body is not `aws-chunked`, or not the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeChunked {
    /// The framing is broken.
    #[error("the aws-chunked body is broken: {0}")]
    Framing(&'static str),
    /// The body ended before its last chunk.
    #[error("the aws-chunked body ends before its last chunk")]
    Truncated,
    /// A chunk or the trailers carry a wrong signature.
    #[error("a chunk of the aws-chunked body is not the one that was signed")]
    Signature(#[source] Rejection),
}

/// What follows the last chunk: names in lower case with their values.
pub type Trailers = Vec<(String, String)>;

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The line being collected, without its CRLF.
    line: Vec<u8>,
    chain: Option<Chain>,
    trailers: Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Reading a chunk's length.
    Head,
    /// So many bytes of a chunk are still to come.
    Data(u64),
    /// Reading the CRLF behind a chunk.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
    /// Behind the empty line at the end.
    Done,
}

/// The signature of the chunk being read.
#[derive(Debug)]
struct Chain {
    signatures: ChunkChain,
    digest: BodyDigest,
    claimed: String,
    trailers_are_signed: bool,
}

impl Decoder {
    /// A decoder of a body whose chunks are not signed.
    pub fn unsigned() -> Self {
        Self { state: State::Head, line: Vec::new(), chain: None, trailers: Vec::new() }
    }

    /// A decoder of a body whose chunks are signed in `signatures`.
    pub fn signed(signatures: ChunkChain, trailers_are_signed: bool) -> Self {
        let chain = Chain {
            signatures,
            digest: BodyDigest::new(),
            claimed: String::new(),
            trailers_are_signed,
        };
        Self { chain: Some(chain), ..Self::unsigned() }
    }

    /// Takes the next piece of the body and appends the data in it to `out`.
    ///
    /// Data of a signed chunk comes out before its signature could be checked: do not act on it
    /// before [`Decoder::finish`].
    ///
    /// # Errors
    /// Broken framing or a wrong signature; the decoder is useless afterwards.
    pub fn decode(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeChunked> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (data, rest) = input.split_at(take);
                    input = rest;
                    out.extend_from_slice(data);
                    if let Some(chain) = &mut self.chain {
                        chain.digest.update(data);
                    }
                    self.state = match left - take as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                }
                State::Done => return Err(DecodeChunked::Framing("bytes behind its end")),
                State::Head | State::DataEnd | State::Trailers => {
                    let Some(line) = self.take_line(&mut input)? else { return Ok(()) };
                    self.read_line(&line)?;
                }
            }
        }
        Ok(())
    }

    /// The trailers, names in lower case, when the body came whole.
    ///
    /// # Errors
    /// The last chunk did not come, or the trailers' signature is wrong or missing.
    pub fn finish(mut self) -> Result<Trailers, DecodeChunked> {
        if !matches!(self.state, State::Trailers | State::Done) {
            return Err(DecodeChunked::Truncated);
        }
        let signature = self.trailers.iter().position(|(name, _)| name == TRAILER_SIGNATURE);
        let signature = signature.map(|at| self.trailers.remove(at).1);
        if let Some(chain) = self.chain.as_mut().filter(|chain| chain.trailers_are_signed) {
            let lines: String =
                self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            chain
                .signatures
                .verify_trailer(&lines, &signature.unwrap_or_default())
                .map_err(DecodeChunked::Signature)?;
        }
        Ok(self.trailers)
    }

    /// The next whole line without its line end, once it is there.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<String>, DecodeChunked> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (part, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        *input = rest;
        if self.line.len() + part.len() > MAX_LINE {
            return Err(DecodeChunked::Framing("a line is longer than 4096 bytes"));
        }
        self.line.extend_from_slice(part);
        if end.is_none() {
            return Ok(None);
        }
        let line = String::from_utf8(mem::take(&mut self.line))
            .map_err(|_| DecodeChunked::Framing("a line is not text"))?;
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn read_line(&mut self, line: &str) -> Result<(), DecodeChunked> {
        match self.state {
            State::Head => self.read_head(line),
            State::DataEnd if line.is_empty() => {
                self.check_chunk()?;
                self.state = State::Head;
                Ok(())
            }
            State::DataEnd => Err(DecodeChunked::Framing("a chunk is longer than its length says")),
            State::Trailers if line.is_empty() => {
                self.state = State::Done;
                Ok(())
            }
            _ => self.read_trailer(line),
        }
    }

    fn read_head(&mut self, line: &str) -> Result<(), DecodeChunked> {
        let (length, extension) = line.split_once(';').unwrap_or((line, ""));
        let digits = length.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = u64::from_str_radix(length, 16)
            .ok()
            .filter(|_| digits)
            .ok_or(DecodeChunked::Framing("a chunk's length is not a hexadecimal number"))?;
        if let Some(chain) = &mut self.chain {
            let claimed = extension.trim().strip_prefix("chunk-signature=");
            chain.claimed = claimed.unwrap_or_default().to_owned();
        }
        self.state = State::Data(length);
        if length == 0 {
            self.check_chunk()?;
            self.state = State::Trailers;
        }
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), DecodeChunked> {
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let digest = mem::take(&mut chain.digest).finish();
        chain.signatures.verify_chunk(&digest, &chain.claimed).map_err(DecodeChunked::Signature)
    }

    fn read_trailer(&mut self, line: &str) -> Result<(), DecodeChunked> {
        let (name, value) =
            line.split_once(':').ok_or(DecodeChunked::Framing("a trailer is not name:value"))?;
        if self.trailers.len() == MAX_TRAILERS {
            return Err(DecodeChunked::Framing("more than 16 trailers"));
        }
        self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
