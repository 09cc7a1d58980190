//! Go's own table of texts and values, errors with places, and round trips.

use proptest::prelude::*;

use super::{DurationError, GoDuration, SIMPLE_UNIT_NAMES, UNIT_NAMES};

const NS: i64 = 1;
const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;
const M: i64 = 60 * S;
const H: i64 = 60 * M;

#[test]
fn reads_as_go_does() {
    let cases = [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("0s", 0),
        ("5s", 5 * S),
        ("30s", 30 * S),
        ("1478s", 1478 * S),
        ("-5s", -5 * S),
        ("+5s", 5 * S),
        ("5.0s", 5 * S),
        ("5.6s", 5 * S + 600 * MS),
        ("5.s", 5 * S),
        (".5s", 500 * MS),
        ("1.004s", S + 4 * MS),
        ("1.0040s", S + 4 * MS),
        ("100.00100s", 100 * S + MS),
        ("10ns", 10 * NS),
        ("11us", 11 * US),
        ("12\u{b5}s", 12 * US),
        ("12\u{3bc}s", 12 * US),
        ("13ms", 13 * MS),
        ("100ms", 100 * MS),
        ("15m", 15 * M),
        ("-2m", -2 * M),
        ("16h", 16 * H),
        ("1.5h", H + 30 * M),
        ("1h30m0s", H + 30 * M),
        ("3h30m", 3 * H + 30 * M),
        ("10.5s4m", 4 * M + 10 * S + 500 * MS),
        ("-2m3.4s", -(2 * M + 3 * S + 400 * MS)),
        ("1h2m3s4ms5us6ns", H + 2 * M + 3 * S + 4 * MS + 5 * US + 6 * NS),
        ("39h9m14.425s", 39 * H + 9 * M + 14 * S + 425 * MS),
        ("52763797000ns", 52_763_797_000),
        ("0.3333333333333333333h", 20 * M),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("9223372036854775807ns", i64::MAX),
        ("9223372036854775.807us", i64::MAX),
        ("9223372036s854ms775us807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("-9223372036854775.808us", i64::MIN),
        ("0.100000000000000000000h", 6 * M),
        ("0.830103483285477580700h", 49 * M + 48 * S + 372_539_827),
    ];
    for (text, expected) in cases {
        assert_eq!(
            text.parse::<GoDuration>().map(GoDuration::nanos),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn errors_name_rule_and_position() {
    use DurationError::*;
    let cases = [
        ("", Empty),
        (
            "3",
            MissingUnit {
                position: 2,
                units: UNIT_NAMES,
            },
        ),
        (
            "1h30",
            MissingUnit {
                position: 5,
                units: UNIT_NAMES,
            },
        ),
        ("-", ExpectedNumber { position: 2 }),
        ("s", ExpectedNumber { position: 1 }),
        (".", ExpectedNumber { position: 1 }),
        ("-.", ExpectedNumber { position: 2 }),
        (".s", ExpectedNumber { position: 1 }),
        ("+.s", ExpectedNumber { position: 2 }),
        (
            "1d",
            UnknownUnit {
                position: 2,
                units: UNIT_NAMES,
            },
        ),
        (
            "1h 30m",
            UnknownUnit {
                position: 2,
                units: UNIT_NAMES,
            },
        ),
        (
            "1h5days",
            UnknownUnit {
                position: 4,
                units: UNIT_NAMES,
            },
        ),
        // Two halves that come round to zero in 64 bits.
        ("9223372036854775808ns9223372036854775808ns", Overflow),
        ("-9223372036854775808ns9223372036854775808ns", Overflow),
        ("9223372036854775810ns", Overflow),
        ("9223372036854775808ns", Overflow),
        ("-9223372036854775809ns", Overflow),
        ("9223372036854776us", Overflow),
        ("3000000h", Overflow),
        ("9223372036854775.808us", Overflow),
        ("9223372036854ms775us808ns", Overflow),
        ("99999999999999999999999h", Overflow),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<GoDuration>().unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn prints_as_go_does() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1\u{b5}s"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (100 * MS, "100ms"),
        (4 * M, "4m0s"),
        (4 * M + 5 * S, "4m5s"),
        (4 * M + 5_001 * MS, "4m5.001s"),
        (5 * H + 6 * M + 7_001 * MS, "5h6m7.001s"),
        (H, "1h0m0s"),
        (8 * M + 1, "8m0.000000001s"),
        (-90 * M, "-1h30m0s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanos, expected) in cases {
        assert_eq!(GoDuration::from_nanos(nanos).to_string(), expected);
    }
}

#[test]
fn simple_form_is_one_number_with_one_unit() {
    use DurationError::*;
    let cases = [
        ("30s", Ok(30 * S)),
        ("0s", Ok(0)),
        ("5m", Ok(5 * M)),
        ("24h", Ok(24 * H)),
        ("7d", Ok(168 * H)),
        ("2w", Ok(336 * H)),
        ("", Err(Empty)),
        ("d", Err(ExpectedNumber { position: 1 })),
        ("-1d", Err(ExpectedNumber { position: 1 })),
        (
            "1.5h",
            Err(UnknownUnit {
                position: 2,
                units: SIMPLE_UNIT_NAMES,
            }),
        ),
        (
            "10",
            Err(MissingUnit {
                position: 3,
                units: SIMPLE_UNIT_NAMES,
            }),
        ),
        (
            "10y",
            Err(UnknownUnit {
                position: 3,
                units: SIMPLE_UNIT_NAMES,
            }),
        ),
        ("1h30m", Err(Trailing { position: 3 })),
        ("15250w", Ok(15_250 * 168 * H)),
        ("15251w", Err(Overflow)),
        ("99999999999999999999s", Err(Overflow)),
    ];
    for (text, expected) in cases {
        assert_eq!(
            GoDuration::parse_simple(text).map(GoDuration::nanos),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn serde_is_text() {
    let duration: GoDuration = serde_json::from_str("\"90m\"").unwrap();
    assert_eq!(serde_json::to_string(&duration).unwrap(), "\"1h30m0s\"");
    assert!(serde_json::from_str::<GoDuration>("5").is_err());
    assert!(
        serde_json::from_str::<GoDuration>("\"5\"")
            .unwrap_err()
            .to_string()
            .contains("position 2")
    );
}

#[test]
fn converts_to_the_standard_duration() {
    assert_eq!(
        GoDuration::from_nanos(1_500 * MS).to_std(),
        Some(std::time::Duration::from_millis(1_500))
    );
    assert_eq!(GoDuration::from_nanos(-1).to_std(), None);
    assert_eq!(
        GoDuration::from_nanos(i64::MAX).checked_add(GoDuration::from_nanos(1)),
        None
    );
    assert_eq!(
        GoDuration::from_nanos(i64::MIN).checked_sub(GoDuration::from_nanos(1)),
        None
    );
    assert_eq!(GoDuration::from_nanos(1_500 * MS).as_seconds(), 1.5);
}

proptest! {
    #[test]
    fn print_then_parse_is_the_same(nanos in any::<i64>()) {
        let duration = GoDuration::from_nanos(nanos);
        prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
    }

    #[test]
    fn short_ones_too(nanos in -4_000_000_000_000i64..4_000_000_000_000) {
        let duration = GoDuration::from_nanos(nanos);
        prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
    }

    #[test]
    fn terms_add_up(h in 0i64..1_000, m in 0i64..10_000, s in 0i64..100_000, ms in 0i64..1_000_000) {
        let text = format!("{h}h{m}m{s}s{ms}ms");
        prop_assert_eq!(text.parse::<GoDuration>().map(GoDuration::nanos), Ok(h * H + m * M + s * S + ms * MS));
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "[-+]?([0-9.]{0,22}[a-zµμ]{0,3}){0,4}.?") {
        if let Ok(duration) = text.parse::<GoDuration>() {
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }
    }

    #[test]
    fn simple_form_agrees_with_go_where_both_read(number in 0u32..2_000_000, unit in "[smh]") {
        let text = format!("{number}{unit}");
        prop_assert_eq!(GoDuration::parse_simple(&text), text.parse::<GoDuration>());
    }
}
