//! Whole connections against a scripted initiator. Every test runs twice, plain and with the connection saved, dropped
//! and restored over a reopened arena after every call; the bytes that come out must be the same.

mod commands;
mod hostile;
mod rig;
mod sessions;
mod streams;
mod writes;
