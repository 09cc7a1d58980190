//! Expressions printed back the way Go prints them in errors. All of it is the template's own text.

use std::sync::Arc;

use super::tree::{Call, Command, Expr, ExprKind, Pipe};

pub(crate) fn describe_expr(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Dot => ".".into(),
        ExprKind::Nil => "nil".into(),
        ExprKind::Field(fields) => chain(fields),
        ExprKind::Variable(variable, fields) => format!("{}{}", variable.name, chain(fields)),
        ExprKind::Function(name, _) => name.to_string(),
        ExprKind::Constant(_, spelling) => spelling.to_string(),
        ExprKind::Pipe(pipe) => format!("({})", describe_pipe(pipe)),
        ExprKind::Chain(inner, fields) => format!("{}{}", describe_expr(inner), chain(fields)),
    }
}

pub(crate) fn describe_command(command: &Command) -> String {
    let mut text = describe_expr(&command.first);
    for argument in &command.rest {
        text.push(' ');
        text.push_str(&describe_expr(argument));
    }
    text
}

pub(crate) fn describe_pipe(pipe: &Pipe) -> String {
    let commands: Vec<String> = pipe.commands.iter().map(describe_command).collect();
    let commands = commands.join(" | ");
    if pipe.targets.is_empty() {
        return commands;
    }
    let targets: Vec<&str> = pipe.targets.iter().map(|target| &*target.name).collect();
    format!(
        "{} {} {commands}",
        targets.join(", "),
        if pipe.assigns { "=" } else { ":=" }
    )
}

pub(crate) fn describe_action(pipe: &Pipe) -> String {
    format!("{{{{{}}}}}", describe_pipe(pipe))
}

pub(crate) fn describe_call(call: &Call) -> String {
    match &call.pipe {
        Some(pipe) => format!("{{{{template {:?} {}}}}}", &*call.name, describe_pipe(pipe)),
        None => format!("{{{{template {:?}}}}}", &*call.name),
    }
}

fn chain(fields: &[Arc<str>]) -> String {
    fields.iter().fold(String::new(), |text, field| text + "." + field)
}
