//! The engine's own guards by name, beside the contract's rules, so that a simulation can show that each one matters.

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that keeps the engine from breaking a promise at the wrong moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Guard {
            $($(#[$doc])* $name,)*
        }

        impl Guard {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

guards! {
    /// Nothing is decided before every kind was read completely (V12).
    Complete,
    /// A block is asked for before every step, and keeps it (V4).
    Blocks,
    /// A withdrawn permission, such as a lost lease, stops every write (V10).
    Lease,
    /// The evidence is durable before a pod is terminated by force (V15).
    Evidence,
    /// The pace of a node is durable before a pod is terminated by force (V3).
    Pace,
    /// The pace of budgets is read from the ledger before anything is forced (V3).
    Records,
    /// Before a machine is ended or a pod terminated by force, the pods are read once more: a watch may be behind (V1, V2).
    SecondLook,
    /// Nothing is done while our clock differs from the API server's (V2, V3).
    Clock,
    /// Groups do not even out zones while old and new machines are side by side (V1).
    Zones,
    /// Marks are taken back while the cluster is blocked (W3).
    TakeBack,
}

/// Which guards are in force.
///
/// Programs use [`Guards::all`], which [`Rollout::new`](crate::Rollout::new) does. Simulations switch single ones off to show
/// that each one matters: with the guard off, a run must break a promise. Nothing that reads configuration can do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    off: u32,
}

impl Guards {
    /// Every guard.
    #[must_use]
    pub const fn all() -> Self {
        Self { off: 0 }
    }

    /// These guards but `guard`; for simulations.
    #[must_use]
    pub const fn without(self, guard: Guard) -> Self {
        Self {
            off: self.off | 1 << guard as u32,
        }
    }

    /// Whether `guard` is in force.
    #[must_use]
    pub const fn on(self, guard: Guard) -> bool {
        self.off & (1 << guard as u32) == 0
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::all()
    }
}
