//! Stub of the skeleton; its owner replaces this file.
