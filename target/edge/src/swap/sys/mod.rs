//! What the standard library has no safe words for.
