//! The two trees of an allocation group that hold its free space: the same records, in the order of their place and in the
//! order of their length. Walked level by level, each block compared with what its parent and its neighbours say of it.
//! Never follows a pointer out of its group.

use super::super::checksum::crc32c;
use super::super::metadata::{Metadata, MetadataError, big, ensure_equal, ensure_sum, ensure_within, word};
use super::superblock::Superblock;

/// Before version 5 a block's header ends here; after it come place, age, name, owner and checksum.
const SHORT_HEADER: usize = 16;
const LONG_HEADER: usize = 56;
/// No sibling.
const NONE: u64 = 0xFFFF_FFFF;
/// The kernel's own limit on the height of a tree.
const MAX_LEVELS: u64 = 9;
/// 64 MiB of memory: a group in more pieces is copied whole.
const MAX_RECORDS: usize = 1 << 22;

/// A free extent of a group: its first block and its length.
pub(super) type Extent = (u64, u64);

/// The order of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Place,
    Length,
}

impl Order {
    fn magic(self, has_sums: bool) -> u64 {
        match (self, has_sums) {
            (Self::Place, false) => 0x4142_5442,
            (Self::Length, false) => 0x4142_5443,
            (Self::Place, true) => 0x4142_3342,
            (Self::Length, true) => 0x4142_3343,
        }
    }

    /// What records are sorted by.
    fn key(self, (start, len): Extent) -> (u64, u64) {
        match self {
            Self::Place => (start, 0),
            Self::Length => (len, start),
        }
    }
}

/// What a parent says of a child: where it is, and its first record.
#[derive(Debug, Clone, Copy)]
struct Child {
    block: u64,
    first: Option<Extent>,
}

/// A tree of one group.
pub(super) struct Tree<'a> {
    pub(super) superblock: &'a Superblock,
    pub(super) group: u64,
    pub(super) order: Order,
    pub(super) root: u64,
    pub(super) levels: u64,
}

/// What a tree holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) extents: Vec<Extent>,
    /// The blocks that the tree itself lies in.
    pub(super) blocks: Vec<u64>,
}

impl Tree<'_> {
    /// All records, in order, if every block of the tree agrees with the others.
    pub(super) fn read(&self, source: &mut Metadata<'_>) -> Result<Content, MetadataError> {
        let group_at = self.superblock.offset(self.group, 0);
        ensure_within("height of a tree", group_at, self.levels, 1..=MAX_LEVELS)?;
        let mut children = vec![Child { block: self.root, first: None }];
        let mut blocks = Vec::new();
        for level in (1..self.levels).rev() {
            let (firsts, places) = self.level(source, level, &children)?;
            blocks.extend(children.iter().map(|child| child.block));
            children =
                places.into_iter().zip(firsts).map(|(block, first)| Child { block, first: Some(first) }).collect();
        }
        let (extents, _) = self.level(source, 0, &children)?;
        blocks.extend(children.iter().map(|child| child.block));
        Ok(Content { extents, blocks })
    }

    /// All records of one level, or all keys and pointers: strictly in order, so no block is met twice.
    fn level(
        &self,
        source: &mut Metadata<'_>,
        level: u64,
        children: &[Child],
    ) -> Result<(Vec<Extent>, Vec<u64>), MetadataError> {
        let offset = self.superblock.offset(self.group, self.root);
        let (mut extents, mut pointers) = (Vec::new(), Vec::new());
        for (index, child) in children.iter().enumerate() {
            let place = |at: Option<usize>| at.and_then(|at| children.get(at)).map_or(NONE, |child| child.block);
            let siblings = [place(index.checked_sub(1)), place(Some(index + 1))];
            let node = self.node(source, child, level, siblings)?;
            extents.extend(node.extents);
            pointers.extend(node.pointers);
            ensure_within("records of a tree", offset, extents.len() as u64, 0..=MAX_RECORDS as u64)?;
        }
        let is_ordered = extents.windows(2).all(|pair| self.order.key(pair[0]) < self.order.key(pair[1]));
        ensure_equal("order of the records of a tree", offset, is_ordered.into(), 1)?;
        Ok((extents, pointers))
    }

    /// One block of the tree, with its two neighbours as its parent's level has them.
    fn node(
        &self,
        source: &mut Metadata<'_>,
        child: &Child,
        level: u64,
        siblings: [u64; 2],
    ) -> Result<Node, MetadataError> {
        let superblock = self.superblock;
        let last = superblock.len_of(self.group) - 1;
        let offset = superblock.offset(self.group, child.block);
        ensure_within("place of a tree's block", offset, child.block, superblock.header_blocks()..=last)?;
        let len = usize::try_from(superblock.block_bytes).expect("64 KiB at most");
        let bytes = source.read("a block of a tree", offset, len)?;
        let magic = self.order.magic(superblock.has_sums);
        ensure_equal("magic number of a tree's block", offset, big(&bytes, 0, 4), magic)?;
        ensure_equal("level of a tree's block", offset, big(&bytes, 4, 2), level)?;
        ensure_equal("left sibling of a tree's block", offset, big(&bytes, 8, 4), siblings[0])?;
        ensure_equal("right sibling of a tree's block", offset, big(&bytes, 12, 4), siblings[1])?;
        if superblock.has_sums {
            self.check_identity(&bytes, offset)?;
        }
        let node = Node::parse(&bytes, superblock.has_sums, level, child.first.is_some(), offset)?;
        if let (Some(first), Some(found)) = (child.first, node.extents.first()) {
            ensure_equal("first record of a tree's block", offset, found.0, first.0)?;
            ensure_equal("length of the first record of a tree's block", offset, found.1, first.1)?;
        }
        Ok(node)
    }

    /// Place, name, owner and checksum that a block of version 5 bears.
    fn check_identity(&self, bytes: &[u8], offset: u64) -> Result<(), MetadataError> {
        let summed = [&bytes[..52], &[0; 4], &bytes[56..]].concat();
        ensure_sum("checksum of a tree's block", offset, word(bytes, 52), crc32c(&summed))?;
        // Places of blocks are told in units of 512 bytes.
        ensure_equal("place that a tree's block bears", offset, big(bytes, 16, 8), offset / 512)?;
        ensure_equal("name that a tree's block bears", offset, u64::from(bytes[32..48] == self.superblock.uuid), 1)?;
        ensure_equal("owner of a tree's block", offset, big(bytes, 48, 4), self.group)
    }
}

/// The content of a block: records, or the first records of the blocks below and their places.
struct Node {
    extents: Vec<Extent>,
    pointers: Vec<u64>,
}

impl Node {
    fn parse(bytes: &[u8], has_sums: bool, level: u64, has_parent: bool, offset: u64) -> Result<Self, MetadataError> {
        let header = if has_sums { LONG_HEADER } else { SHORT_HEADER };
        // A record or key has 8 bytes, a pointer 4, and pointers come after the room for all keys.
        let most = (bytes.len() - header) / if level == 0 { 8 } else { 12 };
        // Only a root may be empty, in a group without free space.
        let least = u64::from(has_parent || level > 0);
        ensure_within("records of a tree's block", offset, big(bytes, 6, 2), least..=most as u64)?;
        let count = usize::try_from(big(bytes, 6, 2)).expect("16 bits");
        let records = bytes[header..].chunks_exact(8).take(count);
        let extents = records.map(|record| (big(record, 0, 4), big(record, 4, 4))).collect();
        let pointers = match level {
            0 => Vec::new(),
            _ => bytes[header + most * 8..].chunks_exact(4).take(count).map(|place| big(place, 0, 4)).collect(),
        };
        Ok(Self { extents, pointers })
    }
}
