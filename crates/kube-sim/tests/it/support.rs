//! Servers and requests for tests.
