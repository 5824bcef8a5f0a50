//! Values as each server reads them: in the text form of PostgreSQL's COPY, or in an INSERT of MySQL.

use std::io::Write as _;

/// How values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Tabs between them, a line a row, with backslashes that escape.
    Copy,
    /// `(1,'a',NULL)`.
    Insert,
}

/// One row under way.
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    form: Form,
    first: bool,
}

impl<'a> Row<'a> {
    /// A row that is written behind `out`.
    pub fn new(out: &'a mut Vec<u8>, form: Form) -> Self {
        Self { out, form, first: true }
    }

    fn next(&mut self) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(if self.form == Form::Copy { b'\t' } else { b',' });
        }
        self.first = false;
        self.out
    }

    /// NULL.
    pub fn null(&mut self) -> &mut Self {
        let null: &[u8] = if self.form == Form::Copy { b"\\N" } else { b"NULL" };
        self.next().extend_from_slice(null);
        self
    }

    /// A whole number.
    pub fn int(&mut self, value: u64) -> &mut Self {
        // Writing into memory cannot fail.
        let _ = write!(self.next(), "{value}");
        self
    }

    /// A number of two digits behind the point.
    pub fn cents(&mut self, value: u64) -> &mut Self {
        let _ = write!(self.next(), "{}.{:02}", value / 100, value % 100);
        self
    }

    /// A truth value, which PostgreSQL wants as a word.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        let text: &[u8] = match (self.form, value) {
            (Form::Copy, true) => b"t",
            (Form::Copy, false) => b"f",
            (Form::Insert, true) => b"1",
            (Form::Insert, false) => b"0",
        };
        self.next().extend_from_slice(text);
        self
    }

    /// Seconds since 1970 as a timestamp without zone.
    pub fn time(&mut self, seconds: u64) -> &mut Self {
        let ([year, month, day], second) = (date(seconds / 86_400), seconds % 86_400);
        let time =
            format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        self.text(&time)
    }

    /// A text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        let form = self.form;
        let out = self.next();
        if form == Form::Insert {
            out.push(b'\'');
        }
        for byte in value.bytes() {
            match (form, byte) {
                (_, b'\\') => out.extend_from_slice(b"\\\\"),
                (_, b'\n') => out.extend_from_slice(b"\\n"),
                (_, b'\r') => out.extend_from_slice(b"\\r"),
                (Form::Copy, b'\t') => out.extend_from_slice(b"\\t"),
                (Form::Insert, b'\'') => out.extend_from_slice(b"''"),
                _ => out.push(byte),
            }
        }
        if form == Form::Insert {
            out.push(b'\'');
        }
        self
    }

    /// A text, or NULL.
    pub fn maybe(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> [u64; 3] {
    // Counted in eras of 400 years from 0000-03-01, so that the leap day ends the year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year, if month < 10 { month + 3 } else { month - 9 });
    [if month <= 2 { year + 1 } else { year }, month, day]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form) -> String {
        let mut out = Vec::new();
        Row::new(&mut out, form).int(7).cents(1205).bool(true).null().text("it's\ta \\ b\n").time(1_709_164_799);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_each_server_reads_them() {
        assert_eq!(written(Form::Copy), "7\t12.05\tt\t\\N\tit's\\ta \\\\ b\\n\t2024-02-28 23:59:59");
        assert_eq!(written(Form::Insert), "7,12.05,1,NULL,'it''s\ta \\\\ b\\n','2024-02-28 23:59:59'");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(
            [0, 59, 11_016, 19_782, 20_513].map(date),
            [[1970, 1, 1], [1970, 3, 1], [2000, 2, 29], [2024, 2, 29], [2026, 3, 1]]
        );
    }
}
