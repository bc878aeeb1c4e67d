//! What a node at a site is made of.

pub(crate) mod groups;
