//! What the tests of several crates share.
//!
//! - [`postgres`]: a PostgreSQL server of the test run's own, in a temporary directory, with a fresh database per test;
//! - [`registry_suite`]: the behaviour that every [`ports::Registry`] shows, as named cases; SQLite, PostgreSQL, the registry
//!   in memory and the remote client all run the same ones;
//! - [`ledger_suite`]: the behaviour that every [`ports::Ledger`] shows;
//! - [`sample`]: accounts, clusters and whole fleets from a seed;
//! - [`mod@bench`]: the machine and the times that benchmarks print;
//! - [`clock`]: a clock that a test moves by hand;
//! - [`source`]: a configuration source that a test moves by hand.
//!
//! What this crate deliberately does not do: it is never part of a shipped program, and it knows no implementation of the
//! contracts that it tests.
//!
//! ```
//! let cluster = testkit::sample::cluster(7);
//! assert_eq!(cluster.id.as_str(), "aws:100000000000:eu-central-1:kube-7");
//! ```

pub mod bench;
pub mod clock;
pub mod ledger_suite;
pub mod postgres;
pub mod registry_suite;
pub mod sample;
pub mod source;
