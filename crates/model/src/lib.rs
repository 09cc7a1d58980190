//! Domain types of Fleetwright: clusters, pools, accounts, versions, problems, quantities, durations.
