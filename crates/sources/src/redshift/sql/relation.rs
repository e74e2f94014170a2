//! What a query is made of: the rows of tables and sub-queries, each column with the columns of tables that it comes from.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::{ColumnEdge, ColumnLineage, Refusal, Star, TableName, Transformation};

/// A column of a table, by its number in [`Origins`], and what happens to it. Ordered by where it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) column: u32,
    pub(super) transformation: Transformation,
}

impl Edge {
    /// The edge, when its column goes through another step.
    pub(super) fn then(self, later: Transformation) -> Edge {
        Edge {
            transformation: self.transformation.then(later),
            ..self
        }
    }
}

/// Where a value comes from: sorted, each edge once.
pub(super) type Edges = Rc<[Edge]>;

/// Sorts edges, and takes each once.
pub(super) fn edges(mut all: Vec<Edge>) -> Edges {
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: Rc<str>,
    pub(super) edges: Edges,
}

/// A part of the columns of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// One column.
    Column(Column),
    /// All columns of a table, which are not known.
    All(All),
}

/// The columns of a table of which the catalogue knows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct All {
    /// Its number in [`Origins`].
    pub(super) table: u32,
    /// Columns that are not among them: `EXCLUDE` names them, or they have another place in the list.
    pub(super) except: Rc<[Rc<str>]>,
}

impl All {
    /// All columns of a table.
    pub(super) fn of(table: u32) -> All {
        All {
            table,
            except: Rc::default(),
        }
    }

    /// The same without further columns.
    pub(super) fn without(&self, names: impl IntoIterator<Item = Rc<str>>) -> All {
        let mut except: Vec<Rc<str>> = self.except.iter().cloned().chain(names).collect();
        except.sort_unstable();
        except.dedup();
        All {
            table: self.table,
            except: except.into(),
        }
    }

    /// Whether a column may be among them.
    fn may_have(&self, name: &str) -> bool {
        !self.except.iter().any(|known| **known == *name)
    }
}

/// Rows, as far as lineage sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Relation {
    /// Of a table or a query.
    Rows(Vec<Part>),
    /// Of a function, or of an array that is unnested: whatever is taken of them comes from these columns.
    Value(Edges),
}

impl Relation {
    /// The column of that name.
    pub(super) fn column(&self, name: &str) -> Option<Edges> {
        match self {
            Relation::Rows(parts) => parts.iter().find_map(|part| match part {
                Part::Column(column) if &*column.name == name => Some(Rc::clone(&column.edges)),
                Part::Column(_) | Part::All(_) => None,
            }),
            Relation::Value(_) => None,
        }
    }

    /// The tables of which it has columns that are not known, and may have this one.
    pub(super) fn open(&self, name: &str) -> impl Iterator<Item = u32> {
        let parts = match self {
            Relation::Rows(parts) => parts.as_slice(),
            Relation::Value(_) => &[],
        };
        parts.iter().filter_map(move |part| match part {
            Part::All(all) => all.may_have(name).then_some(all.table),
            Part::Column(_) => None,
        })
    }

    /// How much there is to look through.
    pub(super) fn size(&self) -> usize {
        match self {
            Relation::Rows(parts) => parts.len(),
            Relation::Value(edges) => edges.len(),
        }
    }
}

/// What a query needs besides its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The tables that it reads, by their numbers.
    pub(super) tables: BTreeSet<u32>,
    /// What decides about its rows.
    pub(super) influences: BTreeSet<Edge>,
}

/// The tables of a statement and those of their columns that are used, by numbers.
#[derive(Debug, Default)]
pub(super) struct Origins {
    tables: Vec<TableName>,
    table_numbers: HashMap<TableName, u32>,
    columns: Vec<(u32, Rc<str>)>,
    column_numbers: HashMap<(u32, Rc<str>), u32>,
    work: usize,
}

/// How much work a statement may make: edges and columns that are looked at. A text of a few hundred bytes can ask for
/// any number of columns, by joining a query with many columns with itself, and again. This is a tenth of a second.
const MAX_WORK: usize = 5_000_000;

impl Origins {
    /// Counts work, and refuses what goes beyond [`MAX_WORK`].
    pub(super) fn charge(&mut self, work: usize) -> Result<(), Refusal> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK {
            Err(Refusal::TooLarge)
        } else {
            Ok(())
        }
    }

    /// The number of a table.
    pub(super) fn table(&mut self, name: TableName) -> u32 {
        if let Some(number) = self.table_numbers.get(&name) {
            return *number;
        }
        let number = self.tables.len() as u32;
        self.tables.push(name.clone());
        self.table_numbers.insert(name, number);
        number
    }

    /// The name of a table.
    pub(super) fn name(&self, table: u32) -> Option<&TableName> {
        self.tables.get(table as usize)
    }

    /// A column of a table as it is.
    pub(super) fn column(&mut self, table: u32, name: &Rc<str>) -> Edge {
        let key = (table, Rc::clone(name));
        let next = self.columns.len() as u32;
        let column = *self.column_numbers.entry(key.clone()).or_insert(next);
        if column == next {
            self.columns.push(key);
        }
        Edge {
            column,
            transformation: Transformation::Identity,
        }
    }

    /// All columns of a table, with its name.
    pub(super) fn star(&self, all: &All) -> Option<Star> {
        let except = all.except.iter().map(|name| name.to_string());
        Some(Star {
            table: self.name(all.table)?.clone(),
            except: except.collect(),
        })
    }

    /// The table of a column.
    pub(super) fn table_of(&self, edge: Edge) -> Option<u32> {
        self.columns
            .get(edge.column as usize)
            .map(|(table, _)| *table)
    }

    /// The names of the columns of a table among these.
    pub(super) fn names_of(&self, table: u32, columns: &[u32]) -> Vec<Rc<str>> {
        let known = |column: &u32| self.columns.get(*column as usize);
        let known = columns.iter().filter_map(known);
        let of_table = known.filter(|(of, _)| *of == table);
        of_table.map(|(_, name)| Rc::clone(name)).collect()
    }

    /// Edges with their names, direct ones first.
    pub(super) fn named(&self, edges: impl IntoIterator<Item = Edge>) -> Vec<ColumnEdge> {
        let mut named: Vec<ColumnEdge> = edges
            .into_iter()
            .filter_map(|edge| {
                let (table, column) = self.columns.get(edge.column as usize)?;
                let table = self.name(*table)?.clone();
                Some(ColumnEdge {
                    table,
                    column: column.to_string(),
                    transformation: edge.transformation,
                })
            })
            .collect();
        named.sort_by_key(|edge| !edge.transformation.is_direct());
        named
    }

    /// A column with the names of where it comes from.
    pub(super) fn lineage(&self, column: String, edges: &[Edge]) -> ColumnLineage {
        ColumnLineage {
            column,
            sources: self.named(edges.iter().copied()),
        }
    }
}
