//! The fold of reports agrees with the machine that made them.


