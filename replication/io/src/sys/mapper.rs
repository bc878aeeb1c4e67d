//! The one question to the device mapper that we have: a device's table. Never loads, suspends or changes one.
#![allow(unsafe_code)] // `ioctl` is untyped: the request below has the layout of the kernel's header

use rustix::fd::AsFd;
use rustix::io::{Errno, Result};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

const DM_TABLE_STATUS: Opcode = opcode::read_write::<Head>(0xfd, 12);
/// Any kernel since 2004 takes the first version of this interface.
const VERSION: [u32; 3] = [4, 0, 0];
/// The table and not the state; nothing is flushed for the answer; the kernel wipes its copy, which may hold a key.
const TABLE: u32 = 1 << 4;
const BUFFER_FULL: u32 = 1 << 8;
const NO_FLUSH: u32 = 1 << 11;
const SECURE_DATA: u32 = 1 << 15;

/// `struct dm_ioctl`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_nr: u32,
    padding: u32,
    device: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// A target takes about 70 bytes, so this is a volume of 900 pieces; one in more pieces is not mapped.
const ROOM: usize = 64 << 10;

#[repr(C)]
struct Request {
    head: Head,
    room: [u8; ROOM],
}

/// Has `judge` look at the table of a mapped device and at the number of its targets. The table is wiped afterwards: for
/// LUKS it may hold the key.
pub(crate) fn table<T>(control: impl AsFd, device: u32, judge: impl FnOnce(&[u8], u32) -> T) -> Result<T> {
    let head_bytes = u32::try_from(size_of::<Head>()).expect("312 bytes");
    let head = Head {
        version: VERSION,
        data_size: u32::try_from(size_of::<Request>()).expect("64 KiB and 312 bytes"),
        data_start: head_bytes,
        target_count: 0,
        open_count: 0,
        flags: TABLE | NO_FLUSH | SECURE_DATA,
        event_nr: 0,
        padding: 0,
        device: u64::from(device),
        name: [0; 128],
        uuid: [0; 129],
        data: [0; 7],
    };
    let mut request = Box::new(Request { head, room: [0; ROOM] });
    // SAFETY: `Request` is a `struct dm_ioctl` and the room that `data_size` promises behind it; the kernel writes nothing
    // beyond. Every pattern of bits is a value of its fields.
    let asked = unsafe { ioctl(control, Updater::<DM_TABLE_STATUS, Request>::new(&mut request)) };
    let Head { data_start, data_size, flags, target_count, .. } = request.head;
    let judged = asked.and_then(|()| {
        // Where the table begins, and how far it goes, in the room behind the header.
        let at = |offset: u32| usize::try_from(offset.saturating_sub(head_bytes)).unwrap_or(usize::MAX);
        let table = request.room.get(at(data_start)..at(data_size).min(ROOM));
        let whole = data_start >= head_bytes && flags & BUFFER_FULL == 0;
        table.filter(|_| whole).map(|table| judge(table, target_count)).ok_or(Errno::NOBUFS)
    });
    request.room.fill(0);
    // Or else the compiler sees that nobody reads the zeros, and leaves them out.
    std::hint::black_box(&request);
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Head>(), 312);
        assert_eq!(std::mem::offset_of!(Head, device), 40);
    }
}
