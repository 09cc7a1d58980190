//! Completions and man pages, made from the grammar.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, ShellName};

/// The whole grammar, for whoever makes documents from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The completion script of a shell.
#[must_use]
pub fn completion_script(shell: ShellName) -> Vec<u8> {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
        ShellName::Powershell => Shell::PowerShell,
        ShellName::Elvish => Shell::Elvish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "fleetwright", &mut script);
    script
}

/// A man page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManPage {
    /// File name, such as `fleetwright-get.1`.
    pub file: String,
    /// The page in roff.
    pub text: Vec<u8>,
}

/// Man pages of the program and of each command below it, in the order of the grammar.
///
/// # Errors
/// Those of writing to memory, which do not happen in practice.
pub fn man_pages() -> io::Result<Vec<ManPage>> {
    let mut root = command();
    root.build();
    let mut pages = Vec::new();
    collect(&root, "fleetwright", &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<ManPage>) -> io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    pages.push(ManPage {
        file: format!("{name}.1"),
        text,
    });
    for below in command
        .get_subcommands()
        .filter(|c| c.get_name() != "help" && !c.is_hide_set())
    {
        collect(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}
