//! arg_max
