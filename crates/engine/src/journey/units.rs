//! Lengths of time and amounts of money as people write them.

use model::touch::Money;

/// `3d`, `1d12h`, `90s`, or ISO 8601 `P3D`, `PT12H`, `P1DT12H`, `P2W`. In milliseconds. Months and
/// years are no fixed time and are not read.
pub fn duration_ms(text: &str) -> Option<i64> {
    match text.strip_prefix('P') {
        Some(iso) => iso_ms(iso),
        None => {
            let (ms, parts) = sum_ms(text, &[('w', W), ('d', D), ('h', H), ('m', M), ('s', S)])?;
            (parts > 0).then_some(ms)
        }
    }
}

const S: i64 = 1_000;
const M: i64 = 60 * S;
const H: i64 = 60 * M;
const D: i64 = 24 * H;
const W: i64 = 7 * D;

fn iso_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let (date_ms, date_parts) = sum_ms(date, &[('W', W), ('D', D)])?;
    let (time_ms, time_parts) = sum_ms(time.unwrap_or(""), &[('H', H), ('M', M), ('S', S)])?;
    let good = date_parts + time_parts > 0 && (time.is_none() || time_parts > 0);
    if good { date_ms.checked_add(time_ms) } else { None }
}

/// Whole numbers with units, from the largest unit to the smallest, each at most once.
fn sum_ms(text: &str, units: &[(char, i64)]) -> Option<(i64, usize)> {
    let mut units = units.iter();
    let mut rest = text;
    let mut sum: i64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let (_, scale) = units.find(|(own, _)| *own == unit)?;
        sum = sum.checked_add(number.checked_mul(*scale)?)?;
        rest = &rest[digits + unit.len_utf8()..];
        parts += 1;
    }
    Some((sum, parts))
}

/// Codes of ISO 4217 for money in use; without funds, metals and tests.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB \
    BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN \
    ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD \
    JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT \
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR \
    RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND \
    TOP TRY TTD TWD TZS UAH UGX USD UYU UYW UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW \
    ZWG";

/// What is wrong with an amount.
#[derive(Debug, PartialEq, Eq)]
pub enum MoneyMistake {
    Form,
    Currency(String),
    /// More digits behind the point than the currency has.
    Digits(u32),
}

pub fn currencies() -> impl Iterator<Item = &'static str> {
    CURRENCIES.split_ascii_whitespace()
}

/// `50.00 USD`, exactly: no amount goes through a float.
pub fn money(text: &str) -> Result<Money, MoneyMistake> {
    let (amount, code) = text.trim().split_once(' ').ok_or(MoneyMistake::Form)?;
    let code = code.trim();
    if !currencies().any(|own| own == code) {
        return Err(MoneyMistake::Currency(code.to_string()));
    }
    let currency: [u8; 3] = code.as_bytes().try_into().map_err(|_| MoneyMistake::Form)?;
    let exponent = Money::exponent(currency);
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || amount.ends_with('.') {
        return Err(MoneyMistake::Form);
    }
    if fraction.len() > exponent as usize {
        return Err(MoneyMistake::Digits(exponent));
    }
    let zeros = "0".repeat(exponent as usize - fraction.len());
    let minor = format!("{whole}{fraction}{zeros}").parse().map_err(|_| MoneyMistake::Form)?;
    Ok(Money { minor, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("3d", 3 * D),
            ("1d12h", 36 * H),
            ("30m", 30 * M),
            ("90s", 90 * S),
            ("1w", 7 * D),
            ("P3D", 3 * D),
            ("PT12H", 12 * H),
            ("P1DT12H30M", 36 * H + 30 * M),
            ("P2W", 14 * D),
        ];
        for (text, ms) in cases {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        let wrong =
            ["", "3", "d", "12h1d", "1d1d", "P", "PT", "P1DT", "P1M", "3 d", "-3d", "3x", "1.5h"];
        for text in wrong.iter().chain(&["99999999999999999999d", "9223372036854775807w"]) {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn amounts() {
        let minor = |text| money(text).map(|money| money.minor);
        assert_eq!(minor("50.00 USD"), Ok(5000));
        assert_eq!(minor("50 USD"), Ok(5000));
        assert_eq!(minor("0.5 EUR"), Ok(50));
        assert_eq!(minor("500 JPY"), Ok(500));
        assert_eq!(minor("1.250 KWD"), Ok(1250));
        assert_eq!(minor("5.5 JPY"), Err(MoneyMistake::Digits(0)));
        assert_eq!(minor("5.555 EUR"), Err(MoneyMistake::Digits(2)));
        assert_eq!(minor("5.00 UDS"), Err(MoneyMistake::Currency("UDS".into())));
        for text in ["5.00", "USD 5.00", "5,00 EUR", ". EUR", "5. EUR", "-5 EUR", "1e3 EUR"] {
            assert!(minor(text).is_err(), "{text}");
        }
        assert_eq!(minor("99999999999999999999 EUR"), Err(MoneyMistake::Form));
    }
}
