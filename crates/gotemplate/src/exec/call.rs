//! Calls: arity, argument types, laziness of `and` and `or`.

use super::eval::Given;
use super::{At, Outcome, Run};
use crate::builtins::{Builtin, truth};
use crate::error::ErrorKind;
use crate::function::{Function, FunctionError, ParamType};
use crate::limits::LimitExceeded;
use crate::parse::{Expr, ExprKind, describe_expr};
use crate::value::Value;

impl<'t> Run<'t> {
    /// Calls a function by name. Errors of the function itself are reported at `node`.
    pub(super) fn function(
        &mut self,
        name: &str,
        builtin: Option<Builtin>,
        node: At<'t>,
        given: Given<'t>,
        dot: &Value,
    ) -> Outcome<Value> {
        match builtin {
            Some(builtin) if !self.is_replaced(name) => self.builtin(name, builtin, node, given, dot),
            _ => match self.functions.get(name) {
                Some(function) => self.apply(name, function, node, given, dot),
                None => Err(self.error(ErrorKind::UnknownFunction(name.to_owned()))),
            },
        }
    }

    /// Calls a function value or method with the arguments of a command.
    pub(super) fn apply(
        &mut self,
        name: &str,
        function: &Function,
        node: At<'t>,
        given: Given<'t>,
        dot: &Value,
    ) -> Outcome<Value> {
        self.step()?;
        self.check_count(name, function.fixed(), function.is_variadic(), &given)?;
        let mut values = Vec::with_capacity(given.args.len() + 1);
        for (at, arg) in given.args.iter().enumerate() {
            values.push(self.argument(arg, function.parameter(at), dot)?);
        }
        if let Some(piped) = given.piped {
            values.push(self.validate(piped, function.parameter(values.len()))?);
        }
        self.charge_arguments(&values)?;
        let result = function.call(&mut self.context, &values);
        self.finish(name, node, result)
    }

    fn charge_arguments(&mut self, values: &[Value]) -> Outcome<()> {
        let charged = self.context.charge_arguments(values);
        charged.map_err(|limit| self.limit(limit))
    }

    fn builtin(&mut self, name: &str, builtin: Builtin, node: At<'t>, given: Given<'t>, dot: &Value) -> Outcome<Value> {
        let (least, more) = builtin.arity();
        self.check_count(name, least, more, &given)?;
        match builtin {
            Builtin::And | Builtin::Or => return self.lazy(builtin == Builtin::Or, given, dot),
            Builtin::Call => return self.call_value(node, given, dot),
            _ => {}
        }
        let mut values = Vec::with_capacity(given.args.len() + 1);
        for (at, arg) in given.args.iter().enumerate() {
            let wanted = if builtin == Builtin::Printf && at == 0 {
                ParamType::String
            } else {
                ParamType::Any
            };
            values.push(self.argument(arg, wanted, dot)?);
        }
        if let Some(piped) = given.piped {
            let format = builtin == Builtin::Printf && values.is_empty();
            values.push(self.validate(piped, if format { ParamType::String } else { ParamType::Any })?);
        }
        self.charge_arguments(&values)?;
        let result = builtin.call(&mut self.context, &values);
        self.finish(name, node, result)
    }

    /// `and` stops at the first false operand, `or` at the first true one; the rest is not evaluated.
    fn lazy(&mut self, stop_at: bool, given: Given<'t>, dot: &Value) -> Outcome<Value> {
        let mut last = Value::Nil;
        for arg in given.args {
            last = self.argument(arg, ParamType::Any, dot)?;
            if truth(&mut self.context, &last) == stop_at {
                return Ok(last);
            }
        }
        Ok(given.piped.unwrap_or(last))
    }

    /// `call f x y`.
    fn call_value(&mut self, node: At<'t>, given: Given<'t>, dot: &Value) -> Outcome<Value> {
        let name = given.args.first().map_or_else(|| "function".to_owned(), describe_expr);
        let mut values = Vec::with_capacity(given.args.len() + 1);
        for arg in given.args {
            values.push(self.argument(arg, ParamType::Any, dot)?);
        }
        values.extend(given.piped);
        self.charge_arguments(&values)?;
        let result = match values.split_first() {
            Some((Value::Function(function), arguments)) => match prepare(&name, function, arguments) {
                Ok(arguments) => function.call(&mut self.context, &arguments),
                Err(error) => Err(error),
            },
            Some((Value::Nil, _)) | None => Err(FunctionError::new("call of nil")),
            Some((other, _)) => Err(FunctionError::new(format!(
                "non-function {name} of type {}",
                other.type_name()
            ))),
        };
        self.finish("call", node, result)
    }

    fn check_count(&self, function: &str, want: usize, at_least: bool, given: &Given<'t>) -> Outcome<()> {
        let got = given.args.len() + usize::from(given.piped.is_some());
        if got == want || (at_least && got > want) {
            return Ok(());
        }
        Err(self.error(ErrorKind::ArgumentCount {
            function: function.to_owned(),
            want,
            at_least,
            got,
        }))
    }

    /// Takes a function's result: counts what it produced and refuses bottomless nesting, whose drop would need endless stack.
    fn finish(&mut self, name: &str, node: At<'t>, result: Result<Value, FunctionError>) -> Outcome<Value> {
        let checked = result.and_then(|value| {
            let most = self.context.budget.limits().value_depth;
            if value.nesting() > most {
                return Err(LimitExceeded::ValueDepth(most).into());
            }
            if let Value::String(text) = &value {
                self.context.budget.produce(text.len())?;
            }
            Ok(value)
        });
        checked.map_err(|error| {
            self.at = node;
            self.called(name, error)
        })
    }

    /// Evaluates an argument for a parameter. Constants take the parameter's type.
    fn argument(&mut self, arg: &'t Expr, wanted: ParamType, dot: &Value) -> Outcome<Value> {
        match &arg.kind {
            ExprKind::Nil => {
                self.at = At::Expr(arg);
                if wanted.takes_nil() {
                    Ok(Value::Nil)
                } else {
                    Err(self.error(ErrorKind::NilArgument(wanted.name())))
                }
            }
            ExprKind::Constant(value, spelling) => {
                self.at = At::Expr(arg);
                if wanted == ParamType::Any {
                    return self.ideal(value, spelling);
                }
                if matches!(
                    wanted,
                    ParamType::List | ParamType::StringList | ParamType::Map | ParamType::Function
                ) {
                    return Err(self.error(ErrorKind::ConstantForCollection {
                        expected: wanted.name(),
                        found: spelling.to_string(),
                    }));
                }
                convert(value, wanted).ok_or_else(|| {
                    let expected = match wanted {
                        ParamType::Int => "integer",
                        ParamType::Uint => "unsigned integer",
                        ParamType::Float => "float",
                        other => other.name(),
                    };
                    self.error(ErrorKind::WrongConstant {
                        expected,
                        found: spelling.to_string(),
                    })
                })
            }
            _ => {
                let value = self.deeper(|run| run.evaluate(arg, None, Given::NONE, dot))?;
                // Go keeps the static type of what a field or function gives; pipelines and variables drop it.
                let typed = !matches!(&arg.kind, ExprKind::Pipe(_) | ExprKind::Dot)
                    && !matches!(&arg.kind, ExprKind::Variable(_, fields) if fields.is_empty());
                if typed && matches!(value, Value::Nil) && wanted != ParamType::Any {
                    let got = ParamType::Any.name().to_owned();
                    return Err(self.error(ErrorKind::WrongType {
                        expected: wanted.name(),
                        got,
                    }));
                }
                self.validate(value, wanted)
            }
        }
    }

    /// Holds a value against a parameter's type; values do not convert.
    fn validate(&self, value: Value, wanted: ParamType) -> Outcome<Value> {
        match &value {
            Value::Nil if wanted.takes_nil() => Ok(value),
            Value::Nil => Err(self.error(ErrorKind::InvalidValue(wanted.name()))),
            other if wanted.accepts(other) => Ok(value),
            other => Err(self.error(ErrorKind::WrongType {
                expected: wanted.name(),
                got: other.type_name(),
            })),
        }
    }
}

/// An untyped constant as a parameter's type.
fn convert(value: &Value, wanted: ParamType) -> Option<Value> {
    match (value, wanted) {
        (Value::Float(number), ParamType::Int) => whole(*number).map(Value::Int),
        (Value::Int(number), ParamType::Uint) => u64::try_from(*number).ok().map(Value::Uint),
        (Value::Float(number), ParamType::Uint) => whole(*number)
            .and_then(|number| u64::try_from(number).ok())
            .map(Value::Uint),
        (Value::Int(number), ParamType::Float) => Some(Value::Float(*number as f64)),
        (Value::Uint(number), ParamType::Float) => Some(Value::Float(*number as f64)),
        (value, wanted) => wanted.accepts(value).then(|| value.clone()),
    }
}

/// The integer that a floating point constant stands for, if it stands for one.
fn whole(number: f64) -> Option<i64> {
    // Both bounds are exact as f64; the upper one is the first that no i64 holds.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    (fits && number.fract() == 0.0).then_some(number as i64)
}

/// Checks the arguments of `call`, whose texts differ from those of a plain call.
fn prepare(name: &str, function: &Function, arguments: &[Value]) -> Result<Vec<Value>, FunctionError> {
    let (got, want) = (arguments.len(), function.fixed());
    if function.is_variadic() && got < want {
        return Err(FunctionError::new(format!(
            "wrong number of args for {name}: got {got} want at least {want}"
        )));
    }
    if !function.is_variadic() && got != want {
        return Err(FunctionError::new(format!(
            "wrong number of args for {name}: got {got} want {want}"
        )));
    }
    for (at, value) in arguments.iter().enumerate() {
        let wanted = function.parameter(at);
        let fits = wanted.accepts(value) || (matches!(value, Value::Nil) && wanted.takes_nil());
        if !fits {
            let (expected, got) = (wanted.name(), value.type_name());
            return Err(FunctionError::new(format!(
                "arg {at}: value has type {got}; should be {expected}"
            )));
        }
    }
    Ok(arguments.to_vec())
}
