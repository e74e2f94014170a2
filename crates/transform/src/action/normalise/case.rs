//! The case of names: how a store folds identifiers that are not quoted, so that two spellings of one table become
//! one. Case-sensitive stores (MySQL on Linux, BigQuery, object stores, SQL Server by its collation) are not folded.

use schemars::JsonSchema;
use serde::Deserialize;

/// Upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// `ORDERS`.
    Upper,
    /// `orders`.
    Lower,
}

/// How names are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fold {
    case: Case,
    /// Only ASCII letters.
    ascii: bool,
    /// Also quoted identifiers.
    quoted: bool,
    /// Whether quotes without effect are removed.
    unquote: bool,
}

const LOWER: Fold = Fold {
    case: Case::Lower,
    ascii: false,
    quoted: true,
    unquote: true,
};

impl Fold {
    /// The folding of a namespace's store.
    pub(crate) fn of(namespace: &str) -> Option<Fold> {
        let scheme = namespace.split(':').next().unwrap_or_default();
        Some(match scheme.to_ascii_lowercase().as_str() {
            // Glue, "Table": the name "is folded to lowercase when it is stored". Redshift's ARNs are names in DataZone.
            "arn" if namespace.contains(":glue:") || namespace.contains(":redshift") => LOWER,
            "aws" if namespace.starts_with("aws:glue:") => LOWER,
            // Athena, "Name databases, tables, and columns"; Hive, LanguageManual DDL; Databricks, "Names";
            // Impala, "Overview of Impala identifiers"; Trino, "Reserved keywords": not case-sensitive, quoted or not.
            "awsathena" | "hive" | "databricks" | "unitycatalog" | "impala" | "trino"
            | "presto" => LOWER,
            // Redshift, "Names and identifiers": folded, also when quoted, unless enable_case_sensitive_identifier is set.
            // PostgreSQL, 4.1.1 "Identifiers and Key Words"; CrateDB and Cassandra do the same.
            "redshift" | "postgres" | "postgresql" | "crate" | "cassandra" => Fold {
                ascii: true,
                quoted: false,
                ..LOWER
            },
            // Snowflake, "Identifier requirements"; Oracle, "Database Object Names and Qualifiers"; Db2, "Identifiers".
            "snowflake" | "oracle" | "db2" => Fold {
                case: Case::Upper,
                quoted: false,
                ..LOWER
            },
            _ => return None,
        })
    }

    /// The folding that a rule requests, for any store.
    pub(crate) fn asked(case: Case) -> Fold {
        Fold {
            case,
            ascii: false,
            quoted: false,
            unquote: false,
        }
    }

    fn fold(self, c: char) -> char {
        let folded = match self.case {
            Case::Upper if self.ascii => return c.to_ascii_uppercase(),
            Case::Lower if self.ascii => return c.to_ascii_lowercase(),
            Case::Upper => single(c.to_uppercase()),
            Case::Lower => single(c.to_lowercase()),
        };
        folded.unwrap_or(c)
    }
}

/// Returns the character if the folding yields exactly one; a letter that becomes two is not folded.
fn single(mut folded: impl Iterator<Item = char>) -> Option<char> {
    let first = folded.next();
    first.filter(|_| folded.next().is_none())
}

/// Folds `name`; `None` if it is folded already, or if a quote is not closed.
pub(crate) fn folded(name: &str, fold: Fold) -> Option<String> {
    let is_quote = |c: char| c == '"' || c == '`';
    if !name.contains(is_quote) {
        let changes = name.chars().any(|c| fold.fold(c) != c);
        return changes.then(|| name.chars().map(|c| fold.fold(c)).collect());
    }
    let (mut out, mut rest) = (String::with_capacity(name.len()), name);
    while let Some(start) = rest.find(is_quote) {
        let (plain, quoted) = rest.split_at_checked(start)?;
        out.extend(plain.chars().map(|c| fold.fold(c)));
        let quote = quoted.chars().next()?;
        let inner_end = quoted.get(1..)?.find(quote)? + 1;
        let inner = quoted.get(1..inner_end)?;
        rest = quoted.get(inner_end + 1..)?;
        let inner = match fold.quoted {
            true => inner.chars().map(|c| fold.fold(c)).collect(),
            false => inner.to_owned(),
        };
        // Whole parts only: a doubled quote is a quote within the part.
        let whole = (out.is_empty() || out.ends_with(['.', '/']))
            && (rest.is_empty() || rest.starts_with(['.', '/']));
        if fold.unquote && whole && is_plain(&inner, fold) {
            out.push_str(&inner);
        } else {
            out.push(quote);
            out.push_str(&inner);
            out.push(quote);
        }
    }
    out.extend(rest.chars().map(|c| fold.fold(c)));
    (out != name).then_some(out)
}

/// Whether an identifier has the same meaning without its quotes.
fn is_plain(inner: &str, fold: Fold) -> bool {
    inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && inner
            .chars()
            .all(|c| (c.is_ascii_alphanumeric() || c == '_') && fold.fold(c) == c)
}
