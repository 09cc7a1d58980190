//! What an update would do and in which order, each step with its reason.
