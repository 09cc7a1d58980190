//! The command-line grammar, and nothing else.
