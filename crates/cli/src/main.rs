//! `headwater`: the one binary.

fn main() {}
