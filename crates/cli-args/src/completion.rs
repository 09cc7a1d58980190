//! `completion`.

use clap::{Args, ValueEnum};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # bash: for this session, for all
  source <(fleetwright completion bash)
  fleetwright completion bash > /etc/bash_completion.d/fleetwright

  # zsh, into a directory of $fpath
  fleetwright completion zsh > \"${fpath[1]}/_fleetwright\"

  # fish
  fleetwright completion fish > ~/.config/fish/completions/fleetwright.fish")]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: ShellName,
}

/// Shells that a script can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    Powershell,
    /// Elvish
    Elvish,
}
