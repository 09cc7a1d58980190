//! Functions on numbers and Kubernetes quantities.

use gotemplate::{Function, Functions, ParamType, Value};
use model::quantity::Quantity;

use super::{Outcome, failed, float, int, string};

/// Kubernetes' default for pods per node.
const MAX_PODS: i64 = 110;

pub(super) fn add(functions: &mut Functions) {
    use ParamType::{Float, Int, String as Text};
    functions
        .add(
            "asgSize",
            Function::new([Int, Int], |_, a| asg_size(int(a, 0)?, int(a, 1)?)),
        )
        .add(
            "nodeCIDRMaxNodes",
            Function::new([Int, Int], |_, a| max_nodes(16, int(a, 0)?, int(a, 1)?)),
        )
        .add(
            "nodeCIDRMaxNodesPodCIDR",
            Function::new([Int, Int, Int], |_, a| max_nodes(int(a, 0)?, int(a, 1)?, int(a, 2)?)),
        )
        .add(
            "nodeCIDRMaxPods",
            Function::new([Int, Int], |_, a| max_pods(int(a, 0)?, int(a, 1)?)),
        )
        .add(
            "kubernetesSizeToKiloBytes",
            Function::new([Text, Float], |_, a| kilobytes(string(a, 0)?, float(a, 1)?)),
        )
        .add(
            "sumQuantities",
            Function::variadic([], Text, |_, arguments| sum(arguments)),
        )
        .add(
            "scaleQuantity",
            Function::new([Text, Float], |_, a| scale(string(a, 0)?, float(a, 1)?)),
        );
}

fn asg_size(size: i64, groups: i64) -> Outcome {
    match size.checked_rem(groups) {
        Some(0) => Ok(Value::from(size / groups)),
        Some(_) => Err(failed(format!("pool size must be an exact multiple of {groups}"))),
        None => Err(failed("asgSize: the number of groups must not be zero")),
    }
}

fn check_mask(mask: i64) -> Result<u32, gotemplate::FunctionError> {
    match u32::try_from(mask) {
        Ok(mask @ 24..=28) => Ok(mask),
        _ => Err(failed(format!("invalid value for maskSize: {mask}"))),
    }
}

fn max_nodes(pod_mask: i64, node_mask: i64, reserved: i64) -> Outcome {
    let Ok(pods @ 14..=16) = u32::try_from(pod_mask) else {
        return Err(failed(format!("invalid for podCIDRMaskSize: {pod_mask}")));
    };
    let nodes = 1i64 << (check_mask(node_mask)? - pods);
    nodes
        .checked_sub(reserved)
        .map(Value::from)
        .ok_or_else(|| failed("nodeCIDRMaxNodes: number out of range"))
}

fn max_pods(mask: i64, extra: i64) -> Outcome {
    let half = (1i64 << (32 - check_mask(mask)?)) / 2;
    Ok(Value::from(half.saturating_add(extra).min(MAX_PODS)))
}

fn quantity(text: &str) -> Result<Quantity, gotemplate::FunctionError> {
    text.parse()
        .map_err(|_| failed("quantities must match the regular expression of Kubernetes quantities"))
}

fn kilobytes(text: &str, factor: f64) -> Outcome {
    let bytes = quantity(text)?
        .to_exact_units()
        .ok_or_else(|| failed("unexpected size for quantity"))?;
    // The product is an f64 by contract, also where an i64 would be exact.
    let bytes: f64 = bytes
        .to_string()
        .parse()
        .map_err(|_| failed("unexpected size for quantity"))?;
    let kilobytes = (bytes / 1024.0 * factor).ceil();
    if !kilobytes.is_finite() || kilobytes.abs() >= 9.2e18 {
        return Err(failed("kubernetesSizeToKiloBytes: number out of range"));
    }
    let text = format!("{kilobytes:.0}KB");
    Ok(Value::from(if text == "-0KB" { "0KB".to_owned() } else { text }))
}

fn sum(arguments: &[Value]) -> Outcome {
    let mut total = Quantity::zero();
    for at in 0..arguments.len() {
        // The place of the call names the expressions; which of several it was, only this function knows.
        let one = quantity(string(arguments, at)?);
        total += &one.map_err(|error| failed(format!("argument {}: {error}", at + 1)))?;
    }
    Ok(Value::from(total.to_string()))
}

fn scale(text: &str, factor: f64) -> Outcome {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parameter is a float32 by contract, so rounding to it is the point (fact 32)"
    )]
    let factor = factor as f32;
    if !matches!(factor.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater)) {
        return Err(failed("scaling factor must be greater than 0.0"));
    }
    quantity(text)?
        .scale(factor)
        .map(|scaled| Value::from(scaled.to_string()))
        .map_err(|error| failed(error.to_string()))
}
