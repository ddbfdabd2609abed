//! eltwise
