//! Placeholder until its first working contents land.
