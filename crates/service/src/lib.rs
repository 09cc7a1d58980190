//! What every server of Fleetwright shares: listen, TLS, health, metrics, tasks, shutdown.
