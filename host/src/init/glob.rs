//! Patterns for names of tables: `*` stands for any characters, `?` for one.

/// Whether `pattern` matches all of `name`. Upper and lower case are the same, as in most of SQL.
pub fn matches(pattern: &str, name: &str) -> bool {
    let plain = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (pattern, name) = (plain(pattern), plain(name));
    // Where to go on when what follows the last star does not fit: one character further on.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("orders", "Orders", true),
            ("orders", "orders_old", false),
            ("order*", "orders_old", true),
            ("*_old", "orders_old", true),
            ("*r*s*", "orders", true),
            ("*r*s", "orders_old", false),
            ("o?ders", "orders", true),
            ("o?ders", "oders", false),
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("a*b*a", "aba", true),
            ("ÄRGER*", "ärger über", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
