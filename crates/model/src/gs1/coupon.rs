//! The layout of North American coupon values (AI 8110 and 8112): digits in a fixed order, with
//! length digits in front of what varies. The layout is tested, not what the coupon is worth.

use super::value::ValueError;

/// Reads fields off the front of the digits.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn take(&mut self, len: usize, name: &str) -> Result<u64, ValueError> {
        let Some(field) = self.bytes.get(self.at..self.at + len) else {
            let why = format!("the coupon ends within its {name}");
            return Err(ValueError::new(self.bytes.len(), why));
        };
        if let Some(bad) = field.iter().position(|byte| !byte.is_ascii_digit()) {
            let why = format!("the coupon's {name} has digits only");
            return Err(ValueError::new(self.at + bad, why));
        }
        self.at += len;
        Ok(field.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
    }

    /// One digit, which must be among `allowed`.
    fn digit(&mut self, allowed: &[u64], name: &str) -> Result<u64, ValueError> {
        let found = self.take(1, name)?;
        if allowed.contains(&found) {
            return Ok(found);
        }
        Err(ValueError::new(self.at - 1, format!("the coupon's {name} cannot be {found}")))
    }

    /// A length digit among `allowed`, and that many digits more than `extra`.
    fn sized(&mut self, allowed: &[u64], extra: usize, name: &str) -> Result<(), ValueError> {
        let len = self.digit(allowed, name)? as usize;
        self.take(len + extra, name)?;
        Ok(())
    }

    fn date(&mut self, name: &str) -> Result<(), ValueError> {
        let start = self.at;
        let date = self.take(6, name)?;
        let (month, day) = (date / 100 % 100, date % 100);
        if (1..=12).contains(&month) && (1..=31).contains(&day) {
            return Ok(());
        }
        Err(ValueError::new(start, format!("the coupon's {name} is no date YYMMDD")))
    }

    /// Company prefix, or the digit 9 for none.
    fn optional_company(&mut self, name: &str) -> Result<(), ValueError> {
        let len = self.digit(&[0, 1, 2, 3, 4, 5, 6, 9], name)? as usize;
        if len != 9 {
            self.take(len + 6, name)?;
        }
        Ok(())
    }

    /// How much must be bought, of what kind, from which family of products.
    fn requirement(&mut self, name: &str) -> Result<(), ValueError> {
        self.sized(&[1, 2, 3, 4, 5], 0, name)?;
        self.digit(&[0, 1, 2, 3, 4, 9], name)?;
        self.take(3, name)?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// AI 8110.
pub(super) fn check_coupon(bytes: &[u8]) -> Result<(), ValueError> {
    let mut fields = Fields { bytes, at: 0 };
    fields.sized(&[0, 1, 2, 3, 4, 5, 6], 6, "company prefix")?;
    fields.take(6, "offer code")?;
    fields.sized(&[1, 2, 3, 4, 5], 0, "save value")?;
    fields.requirement("first purchase requirement")?;
    let mut last = 0;
    while !fields.is_done() {
        let start = fields.at;
        let field = fields.digit(&[1, 2, 3, 4, 5, 6, 9], "data field number")?;
        if field <= last {
            let why = "the coupon's data fields are in ascending order, each once";
            return Err(ValueError::new(start, why));
        }
        last = field;
        match field {
            1 => {
                fields.digit(&[0, 1, 2, 3], "rule for more purchases")?;
                fields.requirement("second purchase requirement")?;
                fields.optional_company("second company prefix")?;
            }
            2 => {
                fields.requirement("third purchase requirement")?;
                fields.optional_company("third company prefix")?;
            }
            3 => fields.date("expiry date")?,
            4 => fields.date("start date")?,
            5 => fields.sized(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 6, "serial number")?,
            6 => fields.sized(&[1, 2, 3, 4, 5, 6, 7], 6, "retailer number")?,
            _ => {
                fields.digit(&[0, 1, 2, 5, 6], "save value code")?;
                fields.digit(&[0, 1, 2], "item that the value applies to")?;
                fields.take(1, "store coupon flag")?;
                fields.digit(&[0, 1], "multiplying flag")?;
            }
        }
    }
    Ok(())
}

/// AI 8112.
pub(super) fn check_positive_offer(bytes: &[u8]) -> Result<(), ValueError> {
    let mut fields = Fields { bytes, at: 0 };
    fields.digit(&[0, 1], "format code")?;
    fields.sized(&[0, 1, 2, 3, 4, 5, 6], 6, "funder number")?;
    fields.take(6, "offer code")?;
    fields.sized(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 6, "serial number")?;
    if fields.is_done() {
        return Ok(());
    }
    Err(ValueError::new(fields.at, "the coupon ends here; take the rest away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_read_to_the_end() {
        // Company 614141, offer 111222, saves 123, for one item (requirement 1 of kind 0, all
        // families), until 24-12-31, with its serial.
        let plain = "06141411112223123110000";
        for good in ["", "3241231", "324123150123456", "10110000990000", "21100000123456611234567"]
        {
            assert_eq!(check_coupon(format!("{plain}{good}").as_bytes()), Ok(()), "{good}");
        }
        assert_eq!(check_coupon(format!("{plain}90002").as_bytes()).unwrap_err().at, 27);
        for end in 1..plain.len() {
            assert!(check_coupon(&plain.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(check_coupon(format!("{plain}3241331").as_bytes()).unwrap_err().at, 24);
        assert_eq!(check_coupon(format!("{plain}32412313").as_bytes()).unwrap_err().at, 30);
        assert_eq!(check_coupon(b"7614141").unwrap_err().at, 0);
        assert_eq!(check_coupon(b"0614x41111222").unwrap_err().at, 4);
        assert_eq!(check_positive_offer(b"006141411112220123456"), Ok(()));
        assert_eq!(check_positive_offer(b"0061414111122201234567").unwrap_err().at, 21);
        assert_eq!(check_positive_offer(b"206141411112220123456").unwrap_err().at, 0);
    }
}
