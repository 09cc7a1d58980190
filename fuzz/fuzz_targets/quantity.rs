//! Quantities and durations: printing and reading are inverse, sums are exact, nothing overflows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::duration::GoDuration;
use model::quantity::Quantity;
use model::{AccountId, Alias, ClusterId, ConfigKey, NodePoolName};

fn check_quantity(quantity: &Quantity) {
    let printed = quantity.to_string();
    let again: Quantity = printed.parse().unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(&again, quantity, "{printed}");
    assert_eq!(again.to_string(), printed, "the canonical form is stable");
}

fn check_duration(duration: GoDuration) {
    let printed = duration.to_string();
    assert_eq!(printed.parse(), Ok(duration), "{printed}");
}

fuzz_target!(|input: (&str, &str, f32, i64)| {
    let (left, right, factor, count) = input;
    if let (Ok(left), Ok(right)) = (left.parse::<Quantity>(), right.parse::<Quantity>()) {
        check_quantity(&left);
        let sum = left.clone() + right.clone();
        assert_eq!(sum.clone() - right.clone(), left);
        assert_eq!(sum < left, right.is_negative());
        assert_eq!(-(-left.clone()), left);
        let _ = (sum.to_units(), sum.to_millis(), sum.to_exact_units(), sum.to_f64());
        let product = left.clone() * count;
        assert_eq!(product.is_zero(), left.is_zero() || count == 0);
        let _ = (product.to_string(), sum.to_string());
        let _ = left.scale(factor).map(|scaled| check_quantity(&scaled));
    }
    for text in [left, right] {
        let _ = serde_json::from_str::<Quantity>(text);
        let _ = text.parse::<GoDuration>().map(check_duration);
        let _ = GoDuration::parse_simple(text).map(check_duration);
        if let Ok(key) = text.parse::<ConfigKey>() {
            assert_eq!(key.as_str(), text);
        }
        let _ = (text.parse::<ClusterId>(), text.parse::<AccountId>(), text.parse::<Alias>());
        let _ = text.parse::<NodePoolName>();
    }
    check_duration(GoDuration::from_nanos(count));
});
