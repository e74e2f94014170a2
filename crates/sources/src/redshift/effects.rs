//! What a statement changes for the later ones of its session. Called by `extract`, in the order of the statements.

use std::collections::BTreeSet;

use super::flow::Flow;
use super::resolve::{Moment, Resolved};
use super::sql::{Dataset, Effect, StatementLineage, TableName};
use super::state::{Session, Temporary};
use super::warehouse::Place;

/// An effect with names resolved, as they were before the statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    CreateTemporary {
        name: String,
        columns: Option<Vec<String>>,
        /// Whether it stays as it is if it is there.
        unless_there: bool,
        /// Whether the statement also fills it.
        is_filled: bool,
    },
    /// Rows were added to a temporary table, or changed.
    FillTemporary(String),
    Create(Place, Option<Vec<String>>),
    DropTemporary(String),
    Drop(Place),
    RenameTemporary(String, String),
    Rename(Place, Place),
    RenameTemporaryColumn(String, String, String),
    RenameColumn(Place, String, String),
    /// It is not known any more which columns there are.
    AlterTemporary(String),
    Alter(Place),
    EmptyTemporary(String),
    SearchPath(Option<Vec<String>>),
    CaseSensitive(Option<bool>),
    Database(String),
}

/// Resolves the effects of a statement.
pub(super) fn changes(lineage: &StatementLineage, moment: &Moment<'_>) -> Vec<Change> {
    let output = lineage.outputs.iter().find_map(|output| match output {
        Dataset::Table(table) => Some(table),
        Dataset::S3(_) | Dataset::Other(_) => None,
    });
    let creates = created(lineage).is_some();
    let mut changes = Vec::new();
    if let Some(table) = output
        && !creates
        && let Resolved::Temporary(name) = moment.resolve(table)
    {
        changes.push(Change::FillTemporary(name));
    }
    for effect in &lineage.effects {
        changes.extend(change(effect, output, lineage, moment));
    }
    changes
}

/// The table that a statement creates and writes, and whether it is temporary.
pub(super) fn created(lineage: &StatementLineage) -> Option<(&TableName, bool)> {
    let is_output = |table: &TableName| lineage.outputs.contains(&Dataset::Table(table.clone()));
    lineage.effects.iter().find_map(|effect| {
        if let Effect::CreateTable {
            table, temporary, ..
        } = effect
        {
            return is_output(table).then_some((table, *temporary));
        }
        if let Effect::CreateView { view, .. } = effect {
            return is_output(view).then_some((view, false));
        }
        None
    })
}

fn change(
    effect: &Effect,
    output: Option<&TableName>,
    lineage: &StatementLineage,
    moment: &Moment<'_>,
) -> Vec<Change> {
    let of = |table: &TableName, temporary: fn(String) -> Change, table_of: fn(Place) -> Change| {
        match moment.resolve(table) {
            Resolved::Temporary(name) => temporary(name),
            Resolved::Table(place) | Resolved::Guess(place) => table_of(place),
        }
    };
    let named = |columns: &Option<Vec<String>>| {
        let written = lineage.columns.iter().map(|column| column.column.clone());
        let is_known = lineage.star_of.is_empty() && !lineage.columns.is_empty();
        columns
            .clone()
            .or_else(|| is_known.then(|| written.collect()))
    };
    vec![match effect {
        Effect::CreateTable {
            table,
            temporary,
            if_not_exists,
            columns,
        } => match moment.resolve_created(table, *temporary) {
            Resolved::Temporary(name) => Change::CreateTemporary {
                name,
                columns: columns.clone(),
                unless_there: *if_not_exists,
                is_filled: output == Some(table),
            },
            Resolved::Table(place) | Resolved::Guess(place) => {
                Change::Create(place, named(columns))
            }
        },
        Effect::CreateView { view, columns } => match moment.resolve_created(view, false) {
            Resolved::Temporary(name) => Change::DropTemporary(name),
            Resolved::Table(place) | Resolved::Guess(place) => {
                Change::Create(place, named(columns))
            }
        },
        Effect::Drop(tables) => {
            let dropped = tables
                .iter()
                .map(|table| of(table, Change::DropTemporary, Change::Drop));
            return dropped.collect();
        }
        Effect::Rename { from, to } => match moment.resolve(from) {
            Resolved::Temporary(name) => Change::RenameTemporary(name, to.clone()),
            Resolved::Table(place) | Resolved::Guess(place) => {
                let renamed = Place {
                    table: to.clone(),
                    ..place.clone()
                };
                Change::Rename(place, renamed)
            }
        },
        Effect::RenameColumn { table, from, to } => {
            let (from, to) = (from.clone(), to.clone());
            match moment.resolve(table) {
                Resolved::Temporary(name) => Change::RenameTemporaryColumn(name, from, to),
                Resolved::Table(place) | Resolved::Guess(place) => {
                    Change::RenameColumn(place, from, to)
                }
            }
        }
        Effect::AlterColumns(table) => of(table, Change::AlterTemporary, Change::Alter),
        Effect::Append { from: table, .. } | Effect::Truncate(table) => {
            match moment.resolve(table) {
                Resolved::Temporary(name) => Change::EmptyTemporary(name),
                Resolved::Table(_) | Resolved::Guess(_) => return Vec::new(),
            }
        }
        Effect::SetSearchPath(path) => Change::SearchPath(path.clone()),
        Effect::SetCaseSensitive(is_on) => Change::CaseSensitive(*is_on),
        Effect::UseDatabase(database) => Change::Database(database.clone()),
        // The history has the label of each statement, and `transaction` knows how transactions end.
        Effect::Begin | Effect::Commit | Effect::Rollback | Effect::Call(_) => {
            return Vec::new();
        }
    }]
}

impl Change {
    /// Whether it puts what the statement reads into a temporary table.
    pub(super) fn fills_temporary(&self) -> bool {
        matches!(
            self,
            Change::FillTemporary(_)
                | Change::CreateTemporary {
                    is_filled: true,
                    ..
                }
        )
    }
}

/// Makes the changes. Returns the tables of which the catalogue may not be true any more.
pub(super) fn apply(changes: Vec<Change>, flow: &Flow, session: &mut Session) -> BTreeSet<String> {
    let mut doubtful = BTreeSet::new();
    for change in changes {
        match change {
            Change::CreateTemporary {
                name,
                columns,
                unless_there,
                is_filled,
            } => {
                if unless_there && session.temporaries.contains_key(&name) {
                    continue;
                }
                let table = match is_filled {
                    true => flow.clone().into_temporary(columns),
                    false => Temporary {
                        columns,
                        ..Temporary::default()
                    },
                };
                session.put_temporary(name, table);
            }
            Change::FillTemporary(name) => {
                let mut table = session.temporaries.remove(&name).unwrap_or_default();
                flow.clone().add_to(&mut table);
                session.put_temporary(name, table);
            }
            Change::Create(place, columns) => {
                doubtful.insert(place.table.clone());
                session.put_created(place, columns);
            }
            Change::DropTemporary(name) => {
                session.temporaries.remove(&name);
            }
            Change::Drop(place) => {
                doubtful.insert(place.table.clone());
                session.created.retain(|(known, _)| *known != place);
            }
            Change::RenameTemporary(from, to) => {
                if let Some(table) = session.temporaries.remove(&from) {
                    session.put_temporary(to, table);
                }
            }
            Change::Rename(from, to) => {
                doubtful.extend([from.table.clone(), to.table.clone()]);
                // What had the new name until now is gone, or has another name by now.
                session.created.retain(|(known, _)| *known != to);
                let renamed = session.created.iter_mut().find(|(known, _)| *known == from);
                if let Some((known, _)) = renamed {
                    *known = to;
                }
            }
            Change::RenameTemporaryColumn(name, from, to) => {
                if let Some(table) = session.temporaries.get_mut(&name) {
                    rename_column(table.columns.as_mut(), &from, &to);
                    if let Some(edges) = table.edges.remove(&from) {
                        table.edges.insert(to, edges);
                    }
                }
            }
            Change::RenameColumn(place, from, to) => {
                doubtful.insert(place.table.clone());
                let table = session
                    .created
                    .iter_mut()
                    .find(|(known, _)| *known == place);
                rename_column(table.and_then(|(_, columns)| columns.as_mut()), &from, &to);
            }
            Change::AlterTemporary(name) => {
                if let Some(table) = session.temporaries.get_mut(&name) {
                    table.columns = None;
                }
            }
            Change::Alter(place) => {
                doubtful.insert(place.table.clone());
                if let Some((_, columns)) = session
                    .created
                    .iter_mut()
                    .find(|(known, _)| *known == place)
                {
                    *columns = None;
                }
            }
            Change::EmptyTemporary(name) => {
                if let Some(table) = session.temporaries.get_mut(&name) {
                    let columns = table.columns.take();
                    *table = Temporary {
                        columns,
                        ..Temporary::default()
                    };
                }
            }
            Change::SearchPath(path) => session.search_path = path,
            Change::CaseSensitive(is_on) => session.case_sensitive = is_on,
            Change::Database(database) => session.database = Some(database),
        }
    }
    doubtful
}

fn rename_column(columns: Option<&mut Vec<String>>, from: &str, to: &str) {
    let columns = columns.into_iter().flatten();
    for column in columns.filter(|column| *column == from) {
        *column = to.to_owned();
    }
}
