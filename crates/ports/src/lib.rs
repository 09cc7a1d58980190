//! Contracts between the engine and the world: clock, ids, registry, error classes.
