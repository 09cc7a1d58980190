//! The disruption contract: who may be evicted now, why not, and when that changes.
