//! Configuration trees from git (bare mirrors, no checkout) and from directories.
