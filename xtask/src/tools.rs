//! What the tests need beyond the Rust toolchain, from the distribution's packages.

use std::path::Path;
use std::process::{Command, Stdio};

/// A tool that some tests need.
struct Tool {
    /// What people call it.
    name: &'static str,
    /// Programs any of which shows that it is there, by name or by pattern of a path.
    programs: &'static [&'static str],
    /// Its package in Debian.
    package: &'static str,
    /// What is passed over without it.
    without: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "PostgreSQL",
        programs: &["postgres", "/usr/lib/postgresql"],
        package: "postgresql",
        without: "the PostgreSQL half of the store tests",
    },
    Tool {
        name: "git",
        programs: &["git"],
        package: "git",
        without: "the tests that read a repository over a path",
    },
    Tool {
        name: "Chromium",
        programs: &["chromium", "chromium-browser", "google-chrome"],
        package: "chromium",
        without: "the tests that use the pages in a browser",
    },
];

/// Installs what is missing where it may (root on a Debian-like system), otherwise says in one line what to install.
pub(crate) fn ensure() {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !present(tool)).collect();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if may_install() {
        println!("=== tools: installing {}", packages.join(" "));
        let apt = |args: &[&str]| {
            Command::new("apt-get")
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdin(Stdio::null())
                .status()
        };
        let _ = apt(&["update", "-qq"]);
        let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
        args.extend(&packages);
        if matches!(apt(&args), Ok(status) if status.success()) {
            return;
        }
    }
    for tool in missing {
        eprintln!(
            "{} is missing: install the package `{}`, else {} are passed over",
            tool.name, tool.package, tool.without
        );
    }
}

fn present(tool: &Tool) -> bool {
    tool.programs.iter().any(|program| {
        if program.starts_with('/') {
            return Path::new(program).exists();
        }
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()))
    })
}

fn may_install() -> bool {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.trim_ascii() == b"0");
    root && Path::new("/usr/bin/apt-get").exists()
}
