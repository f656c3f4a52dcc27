//! The note by which another program knows this one without running it.
#![allow(unsafe_code)]

use super::super::saved::READS;
use super::VERSION;
use mainstay_edge::swap::{Section, encode};

/// Room for some eighty kinds of sections.
const BYTES: usize = 4096;

// SAFETY: the section holds nothing but these bytes, which nobody writes; its name has the form of a note's, which the
// linker keeps and nothing executes.
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mainstay"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".note.mainstay"))]
#[used]
static NOTE: Section<BYTES> = encode(VERSION, READS);
