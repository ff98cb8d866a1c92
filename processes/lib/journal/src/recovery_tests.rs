//! Every case of the recovery table matches exactly one row, over cuts, reordered writeback and bit rot.


