//! Facts 31 and 32, the grammar, the canonical form, and properties against an oracle of big fractions.

use num_bigint::BigInt;
use num_traits::Signed;
use proptest::prelude::*;

use super::{Format, Quantity, QuantityError, ScaleError};

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check_prints(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(quantity(text).to_string(), *expected, "{text}");
    }
}

#[test]
fn decimal_suffixes_print_canonically() {
    check_prints(&[
        ("0", "0"),
        ("-0", "0"),
        ("00", "0"),
        ("0m", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        ("007", "7"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1500m", "1500m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("1.500", "1500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("1.G", "1G"),
        ("0.1", "100m"),
        ("1.2345", "1234500u"),
        ("100u", "100u"),
        ("1000u", "1m"),
        ("1000000n", "1m"),
        ("2k", "2k"),
        ("2000k", "2M"),
        ("1E", "1E"),
        ("1000E", "1e21"),
        ("1234567E", "1234567E"),
        ("128974848000m", "128974848"),
        ("18446744073709551616", "18446744073709551616"),
        ("-128m", "-128m"),
    ]);
}

#[test]
fn fine_values_round_away_from_zero_to_nano() {
    check_prints(&[
        ("0.9n", "1n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.0000000001", "1000000001n"),
        ("0.0000000000000000001", "1n"),
        ("1e-20", "1e-9"),
        ("0e-20", "0"),
    ]);
}

#[test]
fn binary_suffixes_print_canonically() {
    check_prints(&[
        ("1Ki", "1Ki"),
        ("1024Mi", "1Gi"),
        ("2048Ki", "2Mi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("2.5Gi", "2560Mi"),
        ("0.5Ki", "512"),
        ("-0.5Ki", "-512"),
        ("-2048Ki", "-2Mi"),
        ("1.1Ki", "1126400m"),
        ("0.0001Ki", "102400u"),
        ("1023.5Ki", "1048064"),
        ("7Ei", "7Ei"),
        // The silent cap at 2^63 - 1 is for binary quantities only.
        ("8Ei", "9223372036854775807"),
        ("-9Ei", "-9223372036854775807"),
        ("0Ki", "0"),
    ]);
}

#[test]
fn exponents_print_canonically() {
    check_prints(&[
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1e+3", "1e3"),
        ("12e6", "12e6"),
        ("1e2", "100"),
        ("1500e-3", "1500e-3"),
        ("1e-3", "1e-3"),
        ("1.5e3", "1500"),
        ("1e0", "1"),
        ("1000e0", "1e3"),
        ("1e30", "1e30"),
        ("1e-9", "1e-9"),
    ]);
}

#[test]
fn errors_name_rule_and_position() {
    use QuantityError::*;
    let long = "1".repeat(257);
    let cases = [
        ("", Empty),
        (long.as_str(), TooLong { length: 257 }),
        ("-", NoDigits { position: 2 }),
        (".", NoDigits { position: 1 }),
        ("Ki", NoDigits { position: 1 }),
        ("+.m", NoDigits { position: 2 }),
        ("--1", NoDigits { position: 2 }),
        (" 1", NoDigits { position: 1 }),
        (
            "1 ",
            UnexpectedCharacter {
                position: 2,
                found: ' ',
            },
        ),
        (
            "1.1.M",
            UnexpectedCharacter {
                position: 4,
                found: '.',
            },
        ),
        (
            "1µ",
            UnexpectedCharacter {
                position: 2,
                found: 'µ',
            },
        ),
        (
            "1,5",
            UnexpectedCharacter {
                position: 2,
                found: ',',
            },
        ),
        ("0.1mi", UnknownSuffix { position: 4 }),
        ("1K", UnknownSuffix { position: 2 }),
        ("1i", UnknownSuffix { position: 2 }),
        ("10Mb", UnknownSuffix { position: 3 }),
        ("1e", BadExponent { position: 3 }),
        ("1e+", BadExponent { position: 3 }),
        ("1e3k", BadExponent { position: 3 }),
        ("1e+-3", BadExponent { position: 3 }),
        ("1e1001", ExponentOutOfRange { position: 3 }),
        ("1e-99999999999", ExponentOutOfRange { position: 3 }),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Quantity>().unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn fact_31_sums() {
    let cases: [(&[&str], &str); 7] = [
        (&["1000m", "-518m", "-100m", "-100m"], "282m"),
        (&["3", "-1"], "2"),
        (&["2", "256m", "-1"], "1256m"),
        (&["2Gi", "-1024Ki"], "2047Mi"),
        (&[], "0"),
        (&["0", "1Gi"], "1Gi"),
        (&["1Gi", "-1Gi", "1000"], "1k"),
    ];
    for (parts, expected) in cases {
        let parts: Vec<_> = parts.iter().map(|text| quantity(text)).collect();
        assert_eq!(parts.iter().sum::<Quantity>().to_string(), expected);
        assert_eq!(parts.into_iter().sum::<Quantity>().to_string(), expected);
    }
}

#[test]
fn fact_32_scales_in_float32() {
    let cases = [
        ("16Gi", 0.1, "1717986944"),
        ("8Gi", 0.134, "1151051264"),
        ("8Gi", 0.006, "51539608"),
        ("8Gi", 0.003, "25769804"),
        ("2", 0.0061, "12m"),
        ("4", 0.3, "1200m"),
        ("2.5Gi", 1.0, "2560Mi"),
        ("2000", 0.0001, "0"),
        ("1023", 0.5, "511500m"),
        ("1025", 0.5, "512"),
    ];
    for (text, factor, expected) in cases {
        assert_eq!(
            quantity(text).scale(factor).unwrap().to_string(),
            expected,
            "{text} x {factor}"
        );
    }
    for factor in [0.0, -0.0, -1.0, f32::NEG_INFINITY, f32::NAN] {
        assert!(
            matches!(quantity("1").scale(factor), Err(ScaleError::Factor { .. })),
            "{factor}"
        );
    }
    assert_eq!(quantity("1e30").scale(1.0), Err(ScaleError::Overflow));
    assert_eq!(quantity("7Ei").scale(2.0), Err(ScaleError::Overflow));
}

#[test]
fn numbers_round_away_from_zero() {
    assert_eq!(quantity("1.1").to_units(), Some(2));
    assert_eq!(quantity("-1.1").to_units(), Some(-2));
    assert_eq!(quantity("1.1").to_exact_units(), None);
    assert_eq!(quantity("3k").to_exact_units(), Some(3000));
    assert_eq!(quantity("1100u").to_millis(), Some(2));
    assert_eq!(quantity("1e19").to_units(), None);
    assert_eq!(quantity("128974848000m").to_units(), Some(128_974_848));
    assert_eq!(quantity("1500m").to_f64(), 1.5);
    assert_eq!(quantity("-2Gi").to_f64(), -2_147_483_648.0);
    assert_eq!(quantity("1e400").to_f64(), f64::INFINITY);
    assert_eq!((quantity("150m") * 4).to_string(), "600m");
    assert_eq!((-quantity("1Gi")).to_string(), "-1Gi");
}

#[test]
fn json_takes_texts_and_numbers() {
    let read = |json: &str| serde_json::from_str::<Quantity>(json).map(|quantity| quantity.to_string());
    for (json, expected) in [
        ("\"1024Mi\"", "1Gi"),
        ("2", "2"),
        ("-3", "-3"),
        ("0.1", "100m"),
        ("1e3", "1k"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        assert_eq!(read(json).unwrap(), expected, "{json}");
    }
    assert!(read("true").is_err());
    let message = read("\"12Mb\"").unwrap_err().to_string();
    assert!(message.contains("position 3") && !message.contains("12Mb"), "{message}");
    assert_eq!(serde_json::to_string(&quantity("0.5Gi")).unwrap(), "\"512Mi\"");
}

/// A written quantity with its exact value as a fraction, computed apart from the parser.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    numerator: BigInt,
    denominator: BigInt,
}

/// Any number with few enough places that nothing is rounded, in any format.
fn written() -> impl Strategy<Value = Written> {
    let suffixes = prop::sample::select(vec![
        ("", 10u32, 0i32),
        ("m", 10, -3),
        ("u", 10, -6),
        ("k", 10, 3),
        ("M", 10, 6),
        ("G", 10, 9),
        ("e2", 10, 2),
        ("E-2", 10, -2),
        ("Ki", 2, 10),
        ("Mi", 2, 20),
        ("Gi", 2, 30),
    ]);
    (
        any::<bool>(),
        0u64..1_000_000_000,
        prop::option::of(0u64..1_000),
        suffixes,
    )
        .prop_map(|(negative, whole, thousandths, (suffix, base, power))| {
            let sign = if negative { "-" } else { "" };
            let point = thousandths.map(|t| format!(".{t:03}")).unwrap_or_default();
            let mut numerator: BigInt = BigInt::from(whole) * 1_000 + thousandths.unwrap_or(0);
            let mut denominator = BigInt::from(1_000);
            let factor = BigInt::from(base).pow(power.unsigned_abs());
            if power < 0 {
                denominator *= factor
            } else {
                numerator *= factor
            }
            if negative {
                numerator = -numerator;
            }
            Written {
                text: format!("{sign}{whole}{point}{suffix}"),
                numerator,
                denominator,
            }
        })
}

fn same_value(quantity: &Quantity, numerator: &BigInt, denominator: &BigInt) -> bool {
    quantity.nanos() * denominator == numerator * BigInt::from(1_000_000_000)
}

proptest! {
    #[test]
    fn reads_the_exact_value(a in written()) {
        prop_assert!(same_value(&quantity(&a.text), &a.numerator, &a.denominator), "{}", a.text);
    }

    #[test]
    fn print_then_parse_is_the_same(a in written()) {
        let first = quantity(&a.text);
        let printed = first.to_string();
        let second = quantity(&printed);
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(second.to_string(), printed);
    }

    #[test]
    fn canonical_form_has_no_smaller_mantissa(a in written()) {
        let value = quantity(&a.text);
        let printed = value.to_string();
        prop_assert!(!printed.contains('.') && !printed.contains('+'));
        if value.format() != Format::BinarySi && !value.is_zero() {
            let digits = printed.trim_start_matches('-').chars().take_while(char::is_ascii_digit).collect::<String>();
            prop_assert!(!digits.ends_with("000"), "{} prints {}", a.text, printed);
        }
    }

    #[test]
    fn sums_and_differences_match_fractions(a in written(), b in written()) {
        let denominator = &a.denominator * &b.denominator;
        let (x, y) = (&a.numerator * &b.denominator, &b.numerator * &a.denominator);
        prop_assert!(same_value(&(quantity(&a.text) + quantity(&b.text)), &(&x + &y), &denominator));
        prop_assert!(same_value(&(quantity(&a.text) - quantity(&b.text)), &(&x - &y), &denominator));
    }

    #[test]
    fn order_is_that_of_fractions(a in written(), b in written()) {
        let (x, y) = (&a.numerator * &b.denominator, &b.numerator * &a.denominator);
        prop_assert_eq!(quantity(&a.text).cmp(&quantity(&b.text)), x.cmp(&y));
        prop_assert_eq!(quantity(&a.text) == quantity(&b.text), x == y);
    }

    #[test]
    fn units_are_the_ceiling_of_the_size(a in written()) {
        let units = BigInt::from(quantity(&a.text).to_units().unwrap()).abs();
        let size = a.numerator.abs();
        prop_assert!(&units * &a.denominator >= size);
        prop_assert!((units - 1) * &a.denominator < size);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "[-+]?[0-9]{0,30}\\.?[0-9]{0,30}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,4}.?") {
        if let Ok(value) = text.parse::<Quantity>() {
            prop_assert_eq!(&quantity(&value.to_string()), &value);
        }
    }
}
