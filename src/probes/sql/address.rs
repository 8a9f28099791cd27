//! Where the database is: a URL taken apart, and the form of it that may be shown.
//!
//! What is shown is put together from the parts that are known to be harmless, never the URL with the
//! password cut out.

use super::connection::{self, Given, Problem};

/// A database's address, as the package gives it.
pub(super) enum Address {
    /// An SQLite file.
    Sqlite {
        /// The logical path.
        path: String,
    },
    /// A PostgreSQL server.
    Postgres {
        /// What the URL says of the connection, the password among it.
        given: Given,
    },
}

impl Address {
    /// Takes a URL apart. The problem never quotes it.
    pub(super) fn parse(url: &str) -> Result<Self, Problem> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Ok(Self::Postgres { given: connection::parse(url)? });
        };
        // `sqlite:///var/x` is common for the absolute path /var/x.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        if path.is_empty() || path.starts_with("//") || path.starts_with(':') || path.contains(['?', '#', '\0']) {
            return Err(("it names no SQLite file".to_owned(), "write sqlite:PATH, without options".to_owned()));
        }
        Ok(Self::Sqlite { path: path.to_owned() })
    }

    /// The address without secrets.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Sqlite { path } => format!("sqlite:{path}"),
            Self::Postgres { given } => connection::shown(given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_form_never_holds_the_password() {
        for (url, shown) in [
            ("sqlite:governance.db", "sqlite:governance.db"),
            ("sqlite:/var/lib/g.db", "sqlite:/var/lib/g.db"),
            ("sqlite:///var/lib/g.db", "sqlite:/var/lib/g.db"),
            ("postgres://u:hunter2@db.example:5433/g", "postgresql://u@db.example:5433/g"),
            ("postgresql://u:hun%40ter2@db/g?sslmode=require", "postgresql://u@db:5432/g"),
            ("postgresql:///g?host=/run/pg&user=u&password=hunter2&port=6000", "postgresql://u@/run/pg:6000/g"),
            ("postgresql://db/g?sslmode=disable", "postgresql://db:5432/g"),
            ("postgresql://u:hunter2@db1:1,[::1]:2/g", "postgresql://u@db1:1,[::1]:2/g"),
            ("postgresql://%2Frun%2Fpg/g", "postgresql:///run/pg:5432/g"),
            ("postgresql:///?service=prod&password=hunter2", "postgresql:///?service=prod"),
            ("postgresql://u:hunter2@/g", "postgresql://u@/g"),
        ] {
            let address = Address::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem:?}"));
            assert_eq!(address.shown(), shown, "{url}");
        }
    }

    #[test]
    fn a_problem_never_quotes_the_url() {
        for url in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://hunter2",
            "sqlite:a.db?mode=hunter2",
            "mysql://u:hunter2@db/g",
            "postgresql://u:x@hunter2@db/g",
            "postgresql://u:x@hunter2/x@db/g",
            "postgresql://u:hunter2@db:port/g",
            "postgresql://u:hunter2@db/g?hunter2",
            "postgresql://u:hunter2@db/g?sslmode=allow",
            "postgresql://u:hunter2@db/g?options=-chunter2",
            "postgresql://u:hunter2@db/g?host=hunter2",
            "postgresql://u:hunter2@db/g?dbname=g",
            "postgresql://db/g?password=%ff",
            "postgresql://[::1/hunter2",
            "postgresql://db:hunter2,:/g",
            "postgresql://u:hunter2@db/g?sslmode=hunter2",
            "postgresql://u:hunter2@db/g?sslrootcert=hunter2",
        ] {
            let Err((message, help)) = Address::parse(url) else { panic!("{url} is accepted") };
            assert!(!message.contains("hunter2") && !help.contains("hunter2"), "{url}: {message}");
        }
    }
}
