//! The order state machine against scripted races and its invariants.


