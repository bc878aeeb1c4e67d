//! The program that the kernel runs when a request completes: a few dozen instructions, written here so that nothing but
//! the kernel is needed. Pure.
//!
//! ```text
//!   no read, of a tracked disk ──► room on this CPU? ──► take the next slot, fill it, its second word last
//!                                          └─ no: one more is lost
//! ```
//!
//! A command that a program sends to the disk itself has no sector; here it is told whether it reads (see [`PASSED_BY`]).
//!
//! A CPU's slots are its own, but a request may complete within the run for another: so a slot is taken by one atomic step,
//! and is not there before its second word is.

use super::btf::Places;
#[cfg(doc)]
use super::format::PASSED_BY;

/// Words of one CPU's control: what it has taken, what it has lost, and a cache line further what was read of it.
pub(crate) const CONTROL_WORDS: usize = 16;
pub(crate) const TAKEN: usize = 0;
pub(crate) const LOST: usize = 1;
pub(crate) const READ: usize = 8;
/// A slot: the sector; the disk in the upper and the sectors in the lower half of the second word, never zero.
pub(crate) const SLOT_WORDS: usize = 2;
/// More disks make the program slower than the rings are.
pub(crate) const MAX_DISKS: usize = 64;
/// Slots that are never filled: runs within runs, one for each kind of context, may all have seen room for one.
pub(crate) const SPARE_SLOTS: usize = 8;

/// How the memory is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) cpus: usize,
    /// Of each CPU, a power of two.
    pub(crate) slots: usize,
    /// The word at which the slots begin.
    pub(crate) first_slot: usize,
}

type Instruction = [u8; 8];

fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Instruction {
    let mut out = [code, to | from << 4, 0, 0, 0, 0, 0, 0];
    out[2..4].copy_from_slice(&offset.to_ne_bytes());
    out[4..].copy_from_slice(&value.to_ne_bytes());
    out
}

const LOAD_U32: u8 = 0x61;
const LOAD_U64: u8 = 0x79;
const STORE_U64: u8 = 0x7b;
const ATOMIC_U64: u8 = 0xdb;
const ADD: u8 = 0x0f;
const SUBTRACT: u8 = 0x1f;
const OR: u8 = 0x4f;
const AND_VALUE: u8 = 0x57;
const LEFT_VALUE: u8 = 0x67;
const RIGHT_VALUE: u8 = 0x77;
const MOVE: u8 = 0xbf;
const MOVE_VALUE: u8 = 0xb7;
const MOVE_U32: u8 = 0xbc;
const JUMP: u8 = 0x05;
const JUMP_EQUAL_VALUE: u8 = 0x15;
const JUMP_EQUAL_VALUE_U32: u8 = 0x16;
const JUMP_NOT_BELOW_VALUE: u8 = 0x35;
const JUMP_OTHER_THAN_VALUE: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const ATOMIC_ADD: i32 = 0;
const FETCH_ADD: i32 = 1;
const EXCHANGE: i32 = 0xe1;
const GET_CPU: i32 = 8;

/// The address of a word of the shared memory, two instructions.
fn address(to: u8, memory: i32, word: usize) -> [Instruction; 2] {
    const LOAD_ADDRESS: u8 = 0x18;
    const OF_VALUE: u8 = 2;
    [instruction(LOAD_ADDRESS, to, OF_VALUE, 0, memory), instruction(0, 0, 0, 0, small(word * 8))]
}

fn small(value: usize) -> i32 {
    i32::try_from(value).expect("the memory is at most 2 GiB")
}

fn distance(count: usize) -> i16 {
    i16::try_from(count).expect("the program is short")
}

/// The program for `disks` by the kernel's numbers, with `memory` as the kernel knows it.
/// Long because it is one list, read from top to bottom.
pub(crate) fn program(places: &Places, disks: &[u32], layout: Layout, memory: i32) -> Vec<Instruction> {
    let i = instruction;
    let ends = vec![i(MOVE_VALUE, 0, 0, 0, 0), i(EXIT, 0, 0, 0, 0)];
    let mut loses = address(9, memory, 0).to_vec(); // for a CPU that there cannot be
    let lost_here = loses.len();
    loses.extend([i(MOVE_VALUE, 1, 0, 0, 1), i(ATOMIC_U64, 9, 1, distance(LOST * 8), ATOMIC_ADD)]);

    let slot_shift = small(layout.slots.trailing_zeros() as usize + 4);
    let mut fills = Vec::new();
    fills.extend([
        i(MOVE_VALUE, 1, 0, 0, 1),
        i(ATOMIC_U64, 9, 1, distance(TAKEN * 8), FETCH_ADD),
        i(AND_VALUE, 1, 0, 0, small(layout.slots - 1)),
        i(LEFT_VALUE, 1, 0, 0, 4),
        i(LEFT_VALUE, 0, 0, 0, slot_shift),
    ]);
    fills.extend(address(5, memory, layout.first_slot));
    fills.extend([
        i(ADD, 5, 0, 0, 0),
        i(ADD, 5, 1, 0, 0),
        i(STORE_U64, 5, 8, 0, 0),
        i(ATOMIC_U64, 5, 7, 8, EXCHANGE),
        i(JUMP, 0, 0, distance(loses.len()), 0),
    ]);

    // The request's sector in 8, its disk and sectors in 7, the CPU in 0, its control in 9.
    let mut looks = vec![
        i(LOAD_U64, 8, 6, places.request_sector, 0),
        // No sector: one less where the command writes, which is the lowest bit of what it is to do.
        i(JUMP_OTHER_THAN_VALUE, 8, 0, 2, -1),
        i(AND_VALUE, 2, 0, 0, 1),
        i(SUBTRACT, 8, 2, 0, 0),
        i(MOVE_U32, 7, 7, 0, 0),
        i(RIGHT_VALUE, 7, 0, 0, 9),
        i(LEFT_VALUE, 4, 0, 0, 32),
        i(OR, 7, 4, 0, 0),
        i(CALL, 0, 0, 0, GET_CPU),
    ];
    let control = address(9, memory, 0);
    let room = control.len() + 7;
    looks.push(i(JUMP_NOT_BELOW_VALUE, 0, 0, distance(room + fills.len()), small(layout.cpus)));
    looks.extend(control);
    looks.extend([
        i(MOVE, 1, 0, 0, 0),
        i(LEFT_VALUE, 1, 0, 0, 7),
        i(ADD, 9, 1, 0, 0),
        i(LOAD_U64, 1, 9, distance(TAKEN * 8), 0),
        i(LOAD_U64, 2, 9, distance(READ * 8), 0),
        i(SUBTRACT, 1, 2, 0, 0),
        i(JUMP_NOT_BELOW_VALUE, 1, 0, distance(fills.len() + lost_here), small(layout.slots - SPARE_SLOTS)),
    ]);

    let beyond = looks.len() + fills.len() + loses.len();
    let mut picks = Vec::new();
    for (place, disk) in disks.iter().enumerate() {
        let found = distance(disks.len() - place);
        picks.push(i(JUMP_EQUAL_VALUE_U32, 4, 0, found, disk.cast_signed()));
    }
    picks.push(i(JUMP, 0, 0, distance(beyond), 0));

    // The request in 6, its bytes in 7, its disk in 4.
    let mut reads = vec![
        i(LOAD_U64, 3, 6, places.request_queue, 0),
        i(LOAD_U64, 3, 3, places.queue_disk, 0),
        i(LOAD_U32, 4, 3, places.disk_major, 0),
        i(LOAD_U32, 5, 3, places.disk_minor, 0),
        i(LEFT_VALUE, 4, 0, 0, 20),
        i(OR, 4, 5, 0, 0),
    ];
    reads.extend(picks);
    let after = reads.len() + beyond;
    let begins = vec![
        i(LOAD_U64, 6, 1, 0, 0),
        i(LOAD_U64, 7, 1, 16, 0),
        i(LOAD_U32, 2, 6, places.request_flags, 0),
        // What the request is to do; 0 is to read.
        i(AND_VALUE, 2, 0, 0, 0xff),
        i(JUMP_EQUAL_VALUE, 2, 0, distance(after), 0),
    ];
    [begins, reads, looks, fills, loses, ends].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places {
        tracepoint: 1,
        request_queue: 0,
        request_flags: 24,
        request_sector: 48,
        queue_disk: 80,
        disk_major: 0,
        disk_minor: 4,
    };

    /// Where an instruction jumps to, if it does.
    fn target(at: usize, instruction: Instruction) -> Option<usize> {
        let offset = i16::from_ne_bytes([instruction[2], instruction[3]]);
        let jumps = matches!(
            instruction[0],
            JUMP | JUMP_EQUAL_VALUE | JUMP_EQUAL_VALUE_U32 | JUMP_NOT_BELOW_VALUE | JUMP_OTHER_THAN_VALUE
        );
        jumps.then(|| (at + 1).checked_add_signed(isize::from(offset)).unwrap())
    }

    #[test]
    fn reads_and_other_disks_go_to_the_end_and_each_disk_to_the_same_place() {
        let layout = Layout { cpus: 2, slots: 256, first_slot: 512 };
        for disks in 1..=MAX_DISKS {
            let numbers: Vec<u32> = (0..disks).map(|disk| 0x0080_0000 + u32::try_from(disk).unwrap()).collect();
            let program = program(&PLACES, &numbers, layout, 3);
            let end = program.len() - 2;
            let jumps: Vec<_> =
                (0..).zip(&program).filter_map(|(at, word)| Some((word[0], target(at, *word)?))).collect();
            let of = |code: u8| jumps.iter().filter(move |jump| jump.0 == code).map(|jump| jump.1).collect::<Vec<_>>();
            assert_eq!(of(JUMP_EQUAL_VALUE), [end], "a read");
            assert_eq!(of(JUMP), [end, end], "no tracked disk; filled");
            let found = of(JUMP_EQUAL_VALUE_U32);
            assert_eq!(found.len(), disks);
            assert!(found.iter().all(|place| program[*place][0] == LOAD_U64), "{found:?}");
            let sector = jumps.iter().position(|jump| jump.0 == JUMP_OTHER_THAN_VALUE).expect("one");
            assert_eq!(program[jumps[sector].1 - 3][0], JUMP_OTHER_THAN_VALUE, "past what a command without one gets");
            // Both to where one more is lost, one of them with the control of the first CPU.
            assert_eq!(of(JUMP_NOT_BELOW_VALUE), [end - 4, end - 2]);
            assert_eq!(program[end + 1][0], EXIT);
        }
    }
}
