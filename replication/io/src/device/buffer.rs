//! Memory that direct I/O accepts: aligned to a page, reused.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

/// What every disk in scope accepts for addresses and lengths in memory: the largest logical sector.
pub const ALIGNMENT: usize = 4096;

/// Zeroed memory that begins at a multiple of [`ALIGNMENT`].
#[derive(Debug)]
pub struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// `len` zero bytes.
    pub fn new(len: usize) -> Self {
        let storage = vec![0; len + ALIGNMENT];
        // The vector never grows, so its memory never moves.
        let start = storage.as_ptr().addr().next_multiple_of(ALIGNMENT) - storage.as_ptr().addr();
        Self { storage, start, len }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

/// A fixed number of buffers: whoever finds none waits, so memory has a bound whatever the speed of disks and links.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Vec<AlignedBuffer>>,
    returned: Condvar,
}

/// A buffer on loan; goes back to its pool when dropped. Its content is what the last user left.
#[derive(Debug)]
pub struct PooledBuffer<'a> {
    pool: &'a BufferPool,
    buffer: Option<AlignedBuffer>,
}

impl BufferPool {
    /// `count` buffers of `len` bytes each.
    pub fn new(count: usize, len: usize) -> Self {
        let free = (0..count).map(|_| AlignedBuffer::new(len)).collect();
        Self { free: Mutex::new(free), returned: Condvar::new() }
    }

    /// A free buffer; waits for one.
    pub fn take(&self) -> PooledBuffer<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(buffer) = free.pop() {
                return PooledBuffer { pool: self, buffer: Some(buffer) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Deref for PooledBuffer<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.buffer.as_ref().expect("present until dropped")
    }
}

impl DerefMut for PooledBuffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().expect("present until dropped")
    }
}

impl Drop for PooledBuffer<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
            self.pool.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_at_a_page_and_has_its_length() {
        for len in [1, 512, 4096, 1 << 20] {
            let buffer = AlignedBuffer::new(len);
            assert_eq!((buffer.as_ptr().addr() % ALIGNMENT, buffer.len()), (0, len));
        }
    }

    #[test]
    fn whoever_finds_no_buffer_gets_the_one_that_is_returned() {
        let pool = BufferPool::new(1, 512);
        std::thread::scope(|scope| {
            let mut first = pool.take();
            first[0] = 7;
            let second = scope.spawn(|| pool.take()[0]);
            drop(first);
            assert_eq!(second.join().unwrap(), 7);
        });
    }
}
