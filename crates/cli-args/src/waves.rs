//! `pause`, `resume`, `freeze`, `unfreeze` and `fast-lane`: what people do to the movement of the fleet.

use clap::{Args, Subcommand};
use model::duration::GoDuration;

/// Let nothing more begin
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Of what.
    #[command(subcommand)]
    pub command: PauseCommand,
}

/// What can be paused.
#[derive(Debug, Subcommand)]
pub enum PauseCommand {
    /// Let no further cluster of a channel begin its next version
    ///
    /// Clusters that have begun go on to their end. Nothing is lost: resumed, the channel goes on where it was. A pause has no end;
    /// an alarm reminds of one that is a day old.
    #[command(after_help = "Examples:
  fleetwright pause channel beta --reason 'looking at kube-17'")]
    Channel(PauseChannelArgs),
}

/// A channel to be paused.
#[derive(Debug, Args)]
pub struct PauseChannelArgs {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    pub channel: String,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Go on with what was paused
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// What.
    #[command(subcommand)]
    pub command: ResumeCommand,
}

/// What can be resumed.
#[derive(Debug, Subcommand)]
pub enum ResumeCommand {
    /// Let clusters of a channel begin their next version again
    #[command(after_help = "Examples:
  fleetwright resume channel beta")]
    Channel(ResumeChannelArgs),
}

/// A channel to be resumed.
#[derive(Debug, Args)]
pub struct ResumeChannelArgs {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    pub channel: String,
}

/// Let no cluster begin its next version for a while
///
/// Clusters that have begun go on to their end; "fleetwright block" stops those too. A freeze ends by itself: after 72 hours, or when
/// --for or --until says, 28 days from now at most. When it leaves a cluster that is behind less time than the floor of the fleet policy
/// guarantees, the floor wins.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # The whole fleet, for a day
  fleetwright freeze --reason 'incident 7' --for 24h

  # Production until Monday
  fleetwright freeze -l environment=production --reason sale --until 2026-12-07T06:00:00Z")]
pub struct FreezeArgs {
    /// Clusters whose fields match, such as channel=beta,environment!=test [default: all]
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// How long it holds.
    #[command(flatten)]
    pub term: TermArgs,
}

/// How long something holds.
#[derive(Debug, Args)]
pub struct TermArgs {
    /// How long, such as 24h or 1h30m
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    pub term: Option<GoDuration>,

    /// When it ends, such as 2026-12-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// End freezes before their time
///
/// Without an id all of them, those of the fleet policy apart: these are ended where they stand.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fleetwright unfreeze
  fleetwright unfreeze 018d5b6e-1f2a-7c3d-8e4f-5a6b7c8d9e0f")]
pub struct UnfreezeArgs {
    /// Ids of freezes, as \"freeze\" prints them
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
}

/// Let one version pass waves, windows and freezes
#[derive(Debug, Args)]
pub struct FastLaneArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FastLaneCommand,
}

/// What can be done with fast lanes.
#[derive(Debug, Subcommand)]
pub enum FastLaneCommand {
    /// Let one version of a channel pass
    ///
    /// The version need not soak and waits for no wave, window or freeze; blocks, pauses, failures and limits hold all the same. Fast
    /// lanes have places of their own beside the limits of the fleet. Each cluster that passes keeps a record of what it passed and by
    /// which lane. It ends by itself after 24 hours, or when --for or --until says, 72 hours from now at most, and with the next commit.
    #[command(after_help = "Examples:
  fleetwright fast-lane open beta --version 4f2a91c --reason CVE-2026-1234 --ticket INC-7
  fleetwright fast-lane open stable --version 4f2a91c -l environment=production --reason CVE-2026-1234 --for 4h")]
    Open(OpenFastLaneArgs),
    /// Close fast lanes before their time; without an id all of them
    #[command(after_help = "Examples:
  fleetwright fast-lane close")]
    Close(UnfreezeArgs),
}

/// A fast lane.
#[derive(Debug, Args)]
pub struct OpenFastLaneArgs {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    pub channel: String,

    /// The commit, or its first 7 or more characters
    #[arg(long, value_name = "COMMIT")]
    pub version: String,

    /// Clusters whose fields match [default: all of the channel]
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Ticket of the emergency
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<String>,

    /// How long it is open.
    #[command(flatten)]
    pub term: TermArgs,
}
