//! `completion`.

use cli_args::{CompletionArgs, completion_script};

use crate::console::Console;
use crate::failure::Failure;

pub(super) fn run(args: &CompletionArgs, console: &mut Console) -> Result<(), Failure> {
    console.write(&completion_script(args.shell))
}
