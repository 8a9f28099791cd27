//! The password file: `host:port:database:user:password`, the first line that fits (PostgreSQL, "The Password File").

/// The directory of sockets for which a line says `localhost`.
const DEFAULT_SOCKETS: &str = super::SOCKETS;

/// The password for one session; `None` where no line fits.
pub(super) fn find(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
    let host = if host == DEFAULT_SOCKETS { "localhost" } else { host };
    let port = port.to_string();
    let wanted = [host, &port, dbname, user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let (field, after) = field(rest)?;
            let fits = field == [Sign::Any] || field.iter().copied().eq(value.chars().map(Sign::Is));
            rest = after.filter(|_| fits)?;
        }
        // What follows a further colon belongs to no field.
        let (password, _) = field(rest)?;
        let password: String = password.iter().map(|sign| sign.written()).collect();
        (!password.is_empty()).then_some(password)
    })
}

/// A sign of a field. A star that was written with a backslash is not the one that fits everything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Any,
    Is(char),
}

impl Sign {
    fn written(self) -> char {
        match self {
            Self::Any => '*',
            Self::Is(sign) => sign,
        }
    }
}

/// The field that a line begins with, and what stands after its colon, where there is one.
fn field(line: &str) -> Option<(Vec<Sign>, Option<&str>)> {
    let mut signs = Vec::new();
    let mut chars = line.char_indices();
    let mut after = None;
    while let Some((at, sign)) = chars.next() {
        signs.push(match sign {
            ':' => {
                after = line.get(at + 1..);
                break;
            }
            '\\' => Sign::Is(chars.next()?.1),
            '*' => Sign::Any,
            sign => Sign::Is(sign),
        });
    }
    // Several stars, or stars among letters, are themselves.
    if signs.len() > 1 {
        signs = signs.into_iter().map(|sign| Sign::Is(sign.written())).collect();
    }
    Some((signs, after))
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let file = "# db:5432:g:u:comment\nother:5432:g:u:wrong\ndb:5433:g:u:port\ndb:*:g:u\\:x:esc\\:a\\\\ped:rest\n\
                    *:*:*:u:first\n*:*:*:u:second\nlocalhost:5432:g:v:local\n*:*:*:star:*\n*x:*:*:w:never\n\
                    short:5432:g\n*:*:*:empty:\n\\*:*:*:z:literal\n";
        let password = |host, port, user| find(file, host, port, "g", user);
        assert_eq!(password("db", 5432, "u").as_deref(), Some("first"));
        assert_eq!(password("db", 5433, "u").as_deref(), Some("port"));
        assert_eq!(password("db", 1, "u:x").as_deref(), Some("esc:a\\ped"));
        assert_eq!(password("/var/run/postgresql", 5432, "v").as_deref(), Some("local"));
        assert_eq!(password("/elsewhere", 5432, "v"), None);
        assert_eq!(password("db", 1, "star").as_deref(), Some("*"));
        assert_eq!(password("xx", 5432, "w"), None, "a star among letters is a star");
        assert_eq!(password("db", 1, "empty"), None);
        assert_eq!(password("db", 1, "z"), None, "an escaped star");
        assert_eq!(password("*", 1, "z").as_deref(), Some("literal"));
        assert_eq!(password("short", 5432, "nobody"), None);
    }
}
