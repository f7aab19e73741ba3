//! Frames on their way to one client's socket.
//!
//! A large payload is sent from where it is, with the frame written around it, so that a message
//! to a hundred subscribers is in memory once. A small one is copied behind its headers: that is
//! cheaper than a slice of its own in each system call.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use marram_ipc::reply;

use super::Event;

/// Smallest payload in bytes that is not copied.
const SHARED_BYTES: usize = 4096;

/// Bytes to be sent, in order.
#[derive(Debug, Default)]
pub(in crate::ipc) struct Unsent {
    /// None is empty.
    chunks: VecDeque<Bytes>,
}

impl Unsent {
    pub(in crate::ipc) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Appends replies and then events.
    pub(super) fn frames(&mut self, replies: BytesMut, events: Vec<Event>) {
        let mut buffer = replies;
        for Event { stream, event_type, payload } in events {
            if payload.len() < SHARED_BYTES {
                reply::event(&mut buffer, stream, event_type, &payload);
                continue;
            }
            let checksum = reply::event_around(&mut buffer, stream, event_type, &payload);
            self.push(buffer.split().freeze());
            self.push(payload);
            buffer.put_slice(&checksum);
        }
        self.push(buffer.freeze());
    }

    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }
}

impl Buf for Unsent {
    fn remaining(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.chunks.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.chunks.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.len().min(self.chunks.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
        }
        filled
    }
}
