//! Stub of the skeleton; its owner fills this room (Config, precedence, `config show`).

mod secret;
pub use secret::Secret;
