//! fully_connected
