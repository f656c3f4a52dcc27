//! The saved form of a controller.
