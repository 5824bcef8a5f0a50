//! A result column as the server announces it, and the name of its type as people write it.

use mysql_common::constants::ColumnType;

/// The character set "binary": no text.
const BINARY: u16 = 63;
/// Lengths of text are announced in bytes of utf8mb4, at most four a character.
const BYTES_A_CHARACTER: u32 = 4;

/// What the server says about a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NativeColumn {
    pub(crate) name: String,
    /// The type on the wire.
    pub(crate) wire: ColumnType,
    pub(crate) is_unsigned: bool,
    pub(crate) is_enum: bool,
    pub(crate) is_set: bool,
    /// The number of its collation.
    pub(crate) charset: u16,
    /// Its width: bits of a bit field, bytes of text in utf8mb4, digits and signs of a number.
    pub(crate) length: u32,
    /// Digits behind the point; 31 or more where that has no meaning.
    pub(crate) decimals: u8,
    /// Whether the table that it comes from lets it be NULL, or an outer join adds NULLs; `None` for an expression.
    pub(crate) nullable: Option<bool>,
}

impl NativeColumn {
    /// Whether values are sent as strings that are neither numbers nor structures.
    pub(crate) fn is_string(&self) -> bool {
        use ColumnType as C;
        matches!(
            self.wire,
            C::MYSQL_TYPE_VARCHAR
                | C::MYSQL_TYPE_VAR_STRING
                | C::MYSQL_TYPE_STRING
                | C::MYSQL_TYPE_TINY_BLOB
                | C::MYSQL_TYPE_MEDIUM_BLOB
                | C::MYSQL_TYPE_LONG_BLOB
                | C::MYSQL_TYPE_BLOB
        )
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.charset == BINARY && !self.is_enum && !self.is_set
    }

    /// Precision and scale of a decimal, whose width counts the sign and the point as well.
    pub(crate) fn decimal_size(&self) -> (u32, u32) {
        let scale = u32::from(self.decimals);
        let extra = u32::from(scale > 0) + u32::from(!self.is_unsigned);
        (self.length.saturating_sub(extra).max(scale).max(1), scale)
    }

    /// Digits of seconds behind the point.
    pub(crate) fn fraction(&self) -> u8 {
        if self.decimals > 6 { 6 } else { self.decimals }
    }

    /// The name without sizes, such as `int unsigned` or `varchar`.
    pub(crate) fn name(&self) -> String {
        use ColumnType as C;
        let number = |name: &str| if self.is_unsigned { format!("{name} unsigned") } else { name.to_owned() };
        let string = |text: &str, binary: &str| if self.is_binary() { binary } else { text }.to_owned();
        match self.wire {
            _ if self.is_enum => "enum".to_owned(),
            _ if self.is_set => "set".to_owned(),
            C::MYSQL_TYPE_TINY => number("tinyint"),
            C::MYSQL_TYPE_SHORT => number("smallint"),
            C::MYSQL_TYPE_INT24 => number("mediumint"),
            C::MYSQL_TYPE_LONG => number("int"),
            C::MYSQL_TYPE_LONGLONG => number("bigint"),
            C::MYSQL_TYPE_FLOAT => number("float"),
            C::MYSQL_TYPE_DOUBLE => number("double"),
            C::MYSQL_TYPE_DECIMAL | C::MYSQL_TYPE_NEWDECIMAL => number("decimal"),
            C::MYSQL_TYPE_NULL => "null".to_owned(),
            C::MYSQL_TYPE_TIMESTAMP => "timestamp".to_owned(),
            C::MYSQL_TYPE_DATETIME => "datetime".to_owned(),
            C::MYSQL_TYPE_DATE | C::MYSQL_TYPE_NEWDATE => "date".to_owned(),
            C::MYSQL_TYPE_TIME => "time".to_owned(),
            C::MYSQL_TYPE_YEAR => "year".to_owned(),
            C::MYSQL_TYPE_BIT => "bit".to_owned(),
            C::MYSQL_TYPE_JSON => "json".to_owned(),
            C::MYSQL_TYPE_GEOMETRY => "geometry".to_owned(),
            C::MYSQL_TYPE_VECTOR => "vector".to_owned(),
            C::MYSQL_TYPE_VARCHAR | C::MYSQL_TYPE_VAR_STRING => string("varchar", "varbinary"),
            C::MYSQL_TYPE_STRING => string("char", "binary"),
            // All are announced alike; the width tells them apart.
            _ if self.is_string() => {
                let width = self.length / if self.is_binary() { 1 } else { BYTES_A_CHARACTER };
                let size = match width {
                    0..=0xff => "tiny",
                    0x100..=0xffff => "",
                    0x1_0000..=0xff_ffff => "medium",
                    _ => "long",
                };
                format!("{size}{}", string("text", "blob"))
            }
            _ => "unknown".to_owned(),
        }
    }

    /// The name with sizes, such as `decimal(12,2) unsigned` or `varchar(20)`.
    pub(crate) fn full_name(&self) -> String {
        use ColumnType as C;
        let name = self.name();
        let fraction = |name: &str| match self.decimals {
            digits @ 1..=6 => format!("{name}({digits})"),
            _ => name.to_owned(),
        };
        match self.wire {
            _ if self.is_enum || self.is_set => name,
            C::MYSQL_TYPE_DECIMAL | C::MYSQL_TYPE_NEWDECIMAL => {
                let (precision, scale) = self.decimal_size();
                name.replacen("decimal", &format!("decimal({precision},{scale})"), 1)
            }
            C::MYSQL_TYPE_TIMESTAMP | C::MYSQL_TYPE_DATETIME | C::MYSQL_TYPE_TIME => fraction(&name),
            C::MYSQL_TYPE_BIT => format!("{name}({})", self.length),
            C::MYSQL_TYPE_VARCHAR | C::MYSQL_TYPE_VAR_STRING | C::MYSQL_TYPE_STRING => {
                let width = if self.is_binary() { self.length } else { self.length / BYTES_A_CHARACTER };
                format!("{name}({width})")
            }
            _ => name,
        }
    }
}
