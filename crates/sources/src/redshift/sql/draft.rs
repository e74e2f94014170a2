//! A statement as it is being read.

use super::words::Words;
use super::{
    ColumnEdge, ColumnLineage, Dataset, Effect, Reading, Refusal, Star, StatementKind, TableName,
    Unresolved, fallback,
};

/// What is known of a statement so far.
pub(super) struct Draft {
    pub(super) kind: StatementKind,
    pub(super) inputs: Vec<Dataset>,
    pub(super) outputs: Vec<Dataset>,
    pub(super) columns: Vec<ColumnLineage>,
    pub(super) star_of: Vec<Star>,
    pub(super) influences: Vec<ColumnEdge>,
    pub(super) effects: Vec<Effect>,
    pub(super) reading: Reading,
    pub(super) unresolved: Vec<Unresolved>,
}

impl Draft {
    pub(super) fn new(kind: StatementKind) -> Draft {
        Draft {
            kind,
            inputs: Vec::new(),
            outputs: Vec::new(),
            columns: Vec::new(),
            star_of: Vec::new(),
            influences: Vec::new(),
            effects: Vec::new(),
            reading: Reading::Parsed,
            unresolved: Vec::new(),
        }
    }

    /// Adds tables that are read, each name once.
    pub(super) fn add_inputs(&mut self, tables: impl IntoIterator<Item = TableName>) {
        let mut known: std::collections::HashSet<Dataset> = self.inputs.iter().cloned().collect();
        for table in tables.into_iter().map(Dataset::Table) {
            if known.insert(table.clone()) {
                self.inputs.push(table);
            }
        }
    }

    /// That a table is created, and written.
    pub(super) fn creates(
        &mut self,
        table: Option<(TableName, usize)>,
        temporary: bool,
        if_not_exists: bool,
        columns: Option<Vec<String>>,
    ) {
        let Some((table, _)) = table else { return };
        let temporary = temporary || table.is_temporary();
        self.outputs.push(Dataset::Table(table.clone()));
        self.effects.push(Effect::CreateTable {
            table,
            temporary,
            if_not_exists,
            columns,
        });
    }

    /// That columns of these tables are needed, and not known.
    pub(super) fn unknown(&mut self, tables: &[(&TableName, bool)]) {
        let unknown = tables.iter().filter(|(_, unknown)| *unknown);
        self.unresolved
            .extend(unknown.map(|(table, _)| Unresolved::ColumnsOf((*table).clone())));
    }

    /// What is left when the parser refused: the tables that the words name.
    pub(super) fn by_words(&mut self, words: Words<'_>, refusal: Refusal) {
        self.reading = Reading::Words(refusal);
        self.columns.clear();
        self.star_of.clear();
        self.influences.clear();
        let outputs = std::mem::take(&mut self.outputs);
        let tables = fallback::tables(words);
        self.add_inputs(
            tables
                .into_iter()
                .filter(|table| !outputs.contains(&Dataset::Table(table.clone()))),
        );
        self.outputs = outputs;
    }
}
