//! Swaps of real daemons, and swaps that must come to nothing.

mod demo;
mod scenes;
