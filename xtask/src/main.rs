//! Set-up, demo, test and bench of thumbnet.
fn main() {}
