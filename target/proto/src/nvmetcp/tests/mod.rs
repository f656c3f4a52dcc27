mod commands;
mod hostile;
pub mod rig;
mod streams;
mod writes;
