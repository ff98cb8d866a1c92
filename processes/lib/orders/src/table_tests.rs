//! The table by ClOrdID against a naive map.


