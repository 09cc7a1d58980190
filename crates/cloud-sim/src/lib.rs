//! A cloud in memory: stacks, node groups, instances and their faults.
