//! Tests of Connect.
