mod commands;
mod hostile;
mod rig;
mod streams;
mod writes;
