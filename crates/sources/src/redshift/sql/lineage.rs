//! What a statement comes to. Made by [`super::read`]; `redshift` makes events of it.

use std::fmt;

use super::TableName;

/// What one statement reads, writes and changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLineage {
    /// What the statement does.
    pub kind: StatementKind,
    /// What it reads, in the order of the text, each name once. A table is here under two names if it is written in two
    /// ways. Common table expressions, aliases and unnested columns are none.
    pub inputs: Vec<Dataset>,
    /// What it writes: one, or none.
    pub outputs: Vec<Dataset>,
    /// The columns of the output that are written, in their order, each with where it comes from. Of `UNLOAD` and of
    /// `SELECT`, the columns of the result. Empty where columns are not known ([`Self::unresolved`] says why), or have no
    /// meaning, as in `DELETE` and `COPY`.
    pub columns: Vec<ColumnLineage>,
    /// The output also has all columns of these tables, under the same names: what `*` comes to when the catalogue does
    /// not know them. If such a table is a temporary one with the same gap, follow its own `star_of`.
    pub star_of: Vec<Star>,
    /// The columns that decide which rows the output has, in which order or groups: the `dataset` entries of the
    /// facet. All are indirect.
    pub influences: Vec<ColumnEdge>,
    /// What it changes for later statements, in order.
    pub effects: Vec<Effect>,
    /// How it was read.
    pub reading: Reading,
    /// Names of which it is not known what they stand for, so that edges are missing.
    pub unresolved: Vec<Unresolved>,
    /// The job that a comment names.
    pub origin: Option<Origin>,
    /// The text without comments, with `?` in place of literals, without lists of `VALUES`, and without credentials.
    pub redacted: String,
}

/// What a statement does. Kinds with an output have it in [`StatementLineage::outputs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementKind {
    /// A query without `INTO`: it has inputs and no output.
    Select,
    /// `INSERT … SELECT`.
    Insert,
    /// `INSERT … VALUES` and `INSERT … DEFAULT VALUES`, without sub-queries: nothing is read.
    InsertValues,
    /// `CREATE TABLE … AS`. [`Effect::CreateTable`] says if it is temporary.
    CreateTableAs,
    /// `SELECT … INTO`.
    SelectInto,
    /// `CREATE VIEW`, with or without schema binding.
    CreateView,
    /// `CREATE MATERIALIZED VIEW`.
    CreateMaterializedView,
    /// `CREATE EXTERNAL TABLE … AS`.
    CreateExternalTableAs,
    /// `CREATE MODEL … FROM`: the output is the model, by its name.
    CreateModel,
    /// `COPY … FROM`.
    Copy,
    /// `UNLOAD`.
    Unload,
    /// `MERGE`.
    Merge,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `ALTER TABLE … APPEND FROM`: the rows move.
    Append,
    /// `TRUNCATE`: the output is the table.
    Truncate,
    /// `CALL`: [`Effect::Call`] has the procedure.
    Call,
    /// `CREATE`, `DROP` and `ALTER` that move no data.
    Definition,
    /// `SET`, `RESET` and `USE`.
    Session,
    /// `BEGIN`, `COMMIT` and `ROLLBACK`.
    Transaction,
    /// Everything else: `VACUUM`, `GRANT`, `SHOW`, …
    Other,
}

/// Something that is read or written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// A table, view, external table, or a model.
    Table(TableName),
    /// Files in S3: of `COPY` a prefix, an object or a manifest; of `UNLOAD` a prefix, which need not end at a folder.
    S3(S3Location),
    /// What else `COPY` reads.
    Other(CopySource),
}

/// A place in S3, as the text has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// What follows the bucket, without the slash between. May be empty.
    pub key: String,
}

/// What `COPY` reads outside S3. <https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source.html>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CopySource {
    /// A DynamoDB table.
    DynamoDb(String),
    /// Files of an EMR cluster: its id, and the path.
    Emr {
        /// The id of the cluster.
        cluster: String,
        /// The path in HDFS, without the slash before it.
        path: String,
    },
    /// What hosts write over SSH, as a manifest lists them.
    Ssh(S3Location),
}

/// All columns of a table, but for some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Star {
    /// The table.
    pub table: TableName,
    /// The columns that are left out, sorted: by `EXCLUDE`, or because the output has them otherwise.
    pub except: Vec<String>,
}

/// Where one column of the output comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnLineage {
    /// The column.
    pub column: String,
    /// The columns that it is made of, direct ones first, each once for each transformation. None: it comes from no column, as a literal does.
    pub sources: Vec<ColumnEdge>,
}

/// A column, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnEdge {
    /// The table, as in [`StatementLineage::inputs`].
    pub table: TableName,
    /// The column.
    pub column: String,
    /// What happens to it.
    pub transformation: Transformation,
}

/// How a column of the output depends on one of an input, from the closest to the loosest.
/// <https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transformation {
    /// The value itself.
    Identity,
    /// A value made of it.
    Transformation,
    /// A value made of it over several rows.
    Aggregation,
    /// It decides which of several values it is, as the condition of `CASE`.
    Conditional,
    /// It decides over which rows a window function looks.
    Window,
    /// It decides which rows of two tables belong together.
    Join,
    /// It decides which rows there are.
    Filter,
    /// It decides which rows are taken together.
    GroupBy,
    /// It decides the order of rows.
    Sort,
}

impl Transformation {
    /// Whether values flow, and not only a decision.
    pub fn is_direct(self) -> bool {
        self <= Transformation::Aggregation
    }

    /// `type` in the facet.
    pub fn kind(self) -> &'static str {
        if self.is_direct() {
            "DIRECT"
        } else {
            "INDIRECT"
        }
    }

    /// `subtype` in the facet.
    pub fn subtype(self) -> &'static str {
        match self {
            Transformation::Identity => "IDENTITY",
            Transformation::Transformation => "TRANSFORMATION",
            Transformation::Aggregation => "AGGREGATION",
            Transformation::Conditional => "CONDITIONAL",
            Transformation::Window => "WINDOW",
            Transformation::Join => "JOIN",
            Transformation::Filter => "FILTER",
            Transformation::GroupBy => "GROUP_BY",
            Transformation::Sort => "SORT",
        }
    }

    /// What it comes to when the result goes through another transformation, as a column of a temporary table does: the
    /// later one if it is looser. What was indirect once stays as it was.
    #[must_use]
    pub fn then(self, later: Transformation) -> Transformation {
        if self.is_direct() {
            self.max(later)
        } else {
            self
        }
    }
}

/// What a statement changes for later statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A table is created, in any way: `CREATE TABLE`, `CREATE TABLE AS`, `SELECT INTO`, `CREATE EXTERNAL TABLE`.
    CreateTable {
        /// The new table.
        table: TableName,
        /// Whether it goes with the session, by `TEMP` or by the `#` of its name.
        temporary: bool,
        /// Whether nothing happens if it exists.
        if_not_exists: bool,
        /// Its columns, as far as they are known.
        columns: Option<Vec<String>>,
    },
    /// A view is created or replaced.
    CreateView {
        /// The view.
        view: TableName,
        /// Its columns, as far as they are known.
        columns: Option<Vec<String>>,
    },
    /// Tables or views are dropped.
    Drop(Vec<TableName>),
    /// A table gets another name, in the same schema.
    Rename {
        /// The table.
        from: TableName,
        /// The new name alone.
        to: String,
    },
    /// A column gets another name.
    RenameColumn {
        /// The table.
        table: TableName,
        /// Its name up to now.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Columns are added or dropped: what the catalogue knew of the table is not true any more.
    AlterColumns(TableName),
    /// Rows move from one table to the other.
    Append {
        /// The table that is empty afterwards.
        from: TableName,
        /// The table that has the rows.
        to: TableName,
    },
    /// All rows are deleted.
    Truncate(TableName),
    /// The schemas that unqualified names are looked for in, in order; `$user` as it is. `None`: the default again.
    SetSearchPath(Option<Vec<String>>),
    /// Whether identifiers are case-sensitive from now on. `None`: the default again.
    SetCaseSensitive(Option<bool>),
    /// `USE`: the database of names that have none.
    UseDatabase(String),
    /// A transaction begins.
    Begin,
    /// The transaction is committed.
    Commit,
    /// The transaction is undone.
    Rollback,
    /// A procedure is called, by its name.
    Call(TableName),
}

/// How a statement was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It was understood.
    Parsed,
    /// The parser refused it. The tables are those that its words name (`FROM x`, `INTO y`), and there are no columns.
    /// Count it as `unparsed_sql`.
    Words(Refusal),
}

/// Why a statement was not parsed. It says where, and never what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The grammar does not have it.
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
    },
    /// It has more words, or is nested deeper, than is read.
    TooLarge,
    /// A string, a quoted name or a comment does not end.
    Unterminated,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Syntax { line: 0, .. } => f.write_str("not understood at its end"),
            Refusal::Syntax { line, column } => {
                write!(f, "not understood at line {line}, column {column}")
            }
            Refusal::TooLarge => f.write_str("more words or deeper nesting than is read"),
            Refusal::Unterminated => {
                f.write_str("a string, a quoted name or a comment does not end")
            }
        }
    }
}

/// A name of which it is not known what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unresolved {
    /// The columns of a table are needed, and not known.
    ColumnsOf(TableName),
    /// A column that several tables may have, or none.
    Column(String),
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::ColumnsOf(table) => write!(f, "the columns of {table} are not known"),
            Unresolved::Column(column) => write!(f, "it is not known whose column {column} is"),
        }
    }
}

/// Who sent a statement, by its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// dbt, with the id of its node, such as `model.shop.daily_sales`.
    /// <https://docs.getdbt.com/reference/project-configs/query-comment>
    Dbt {
        /// The id of the node; without one, a query of dbt's own.
        node: Option<String>,
    },
    /// Airflow, with the task.
    Airflow {
        /// The id of the DAG.
        dag: String,
        /// The id of the task.
        task: Option<String>,
    },
    /// This product, which reads the history by queries of its own.
    Ourselves,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_goes_through_two_steps_is_what_the_looser_one_makes_of_it() {
        assert_eq!(
            Transformation::Identity.then(Transformation::Identity),
            Transformation::Identity
        );
        assert_eq!(
            Transformation::Aggregation.then(Transformation::Transformation),
            Transformation::Aggregation
        );
        assert_eq!(
            Transformation::Identity.then(Transformation::Filter),
            Transformation::Filter
        );
        assert_eq!(
            Transformation::Conditional.then(Transformation::Aggregation),
            Transformation::Conditional
        );
    }
}
