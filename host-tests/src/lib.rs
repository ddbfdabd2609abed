//! What the tests of thumbnet share.
