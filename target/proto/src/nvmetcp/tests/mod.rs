mod commands;
mod rig;
mod writes;
