//! Clients of real and simulated clusters: discovery, apply, prune, evict, watch.
