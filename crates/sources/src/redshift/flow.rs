//! What a statement reads and writes in truth: with the temporary tables of its session replaced by what they were made
//! of. Called by `extract` with what `sql` has read.

use std::collections::BTreeSet;

use super::resolve::{Moment, Resolved};
use super::sql::{
    ColumnEdge, CopySource, Dataset, Star, StatementLineage, TableName, Transformation,
};
use super::state::{Edge, Temporary};
use super::warehouse::{Place, Source};

/// The most edges of one statement. A table has at most 1,600 columns
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html>), most of which come from a few.
const MAX_EDGES: usize = 50_000;

/// What flows into the output of a statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Flow {
    pub(super) inputs: BTreeSet<Source>,
    /// The columns of the output that are written, in their order, with their sources.
    pub(super) columns: Vec<(String, BTreeSet<Edge>)>,
    pub(super) influences: BTreeSet<Edge>,
    /// Names that were guessed.
    pub(super) guessed: BTreeSet<TableName>,
    /// Tables of which the columns would be needed.
    pub(super) unknown_columns: BTreeSet<TableName>,
    /// Whether edges were left out.
    pub(super) is_cut: bool,
    edges: usize,
}

impl Flow {
    /// Follows what a statement reads through the temporary tables of the session at that moment.
    pub(super) fn of(lineage: &StatementLineage, moment: &Moment<'_>) -> Flow {
        let mut flow = Flow::default();
        for input in &lineage.inputs {
            flow.add_input(input, moment);
        }
        for column in &lineage.columns {
            let mut sources = BTreeSet::new();
            for edge in &column.sources {
                flow.follow(edge, moment, &mut sources);
            }
            flow.columns.push((column.column.clone(), sources));
        }
        for star in &lineage.star_of {
            flow.add_all_columns(star, moment);
        }
        let mut influences = std::mem::take(&mut flow.influences);
        for edge in &lineage.influences {
            flow.follow(edge, moment, &mut influences);
        }
        flow.influences = influences;
        flow
    }

    fn add_input(&mut self, input: &Dataset, moment: &Moment<'_>) {
        let table = match input {
            Dataset::Table(table) => table,
            Dataset::S3(_) | Dataset::Other(_) => {
                self.inputs.extend(outside(input));
                return;
            }
        };
        match self.resolve(table, moment) {
            Resolved::Temporary(name) => {
                if let Some(temporary) = moment.session.temporaries.get(&name) {
                    self.inputs.extend(temporary.inputs.iter().cloned());
                    let influences = temporary.influences.iter().cloned();
                    self.influences.extend(influences);
                }
            }
            Resolved::Table(place) | Resolved::Guess(place) => {
                self.inputs.insert(Source::Table(place));
            }
        }
    }

    fn resolve(&mut self, table: &TableName, moment: &Moment<'_>) -> Resolved {
        let resolved = moment.resolve(table);
        if let Resolved::Guess(_) = &resolved {
            self.guessed.insert(table.clone());
        }
        resolved
    }

    /// Adds where a column comes from in truth.
    fn follow(&mut self, edge: &ColumnEdge, moment: &Moment<'_>, sources: &mut BTreeSet<Edge>) {
        match moment.resolve(&edge.table) {
            Resolved::Temporary(name) => {
                let temporary = moment.session.temporaries.get(&name);
                let edges = temporary.and_then(|temporary| temporary.edges.get(&edge.column));
                for before in edges.into_iter().flatten() {
                    let transformation = before.transformation.then(edge.transformation);
                    let through = Edge {
                        transformation,
                        ..before.clone()
                    };
                    self.add(through, sources);
                }
            }
            Resolved::Table(place) | Resolved::Guess(place) => {
                let direct = Edge {
                    place,
                    column: edge.column.clone(),
                    transformation: edge.transformation,
                };
                self.add(direct, sources);
            }
        }
    }

    fn add(&mut self, edge: Edge, sources: &mut BTreeSet<Edge>) {
        if self.edges >= MAX_EDGES {
            self.is_cut = true;
        } else if sources.insert(edge) {
            self.edges += 1;
        }
    }

    /// Adds the columns of a table under their own names, for a `*` that was not expanded.
    fn add_all_columns(&mut self, Star { table, except }: &Star, moment: &Moment<'_>) {
        let columns = match moment.resolve(table) {
            Resolved::Temporary(name) => {
                let temporary = moment.session.temporaries.get(&name);
                temporary.and_then(|temporary| temporary.columns.clone())
            }
            Resolved::Table(place) | Resolved::Guess(place) => {
                moment.columns_at(&place).map(|columns| columns.to_vec())
            }
        };
        let Some(columns) = columns else {
            self.unknown_columns.insert(table.clone());
            return;
        };
        for column in columns {
            if except.contains(&column) {
                continue;
            }
            let edge = ColumnEdge {
                table: table.clone(),
                column: column.clone(),
                transformation: Transformation::Identity,
            };
            let mut sources = BTreeSet::new();
            self.follow(&edge, moment, &mut sources);
            self.columns.push((column, sources));
        }
    }

    /// The temporary table that this makes.
    pub(super) fn into_temporary(self, columns: Option<Vec<String>>) -> Temporary {
        let named = || {
            self.columns
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<String>>()
        };
        let columns = columns.or_else(|| {
            let is_known = !self.columns.is_empty() && self.unknown_columns.is_empty();
            is_known.then(named)
        });
        Temporary {
            columns,
            inputs: self.inputs,
            edges: self.columns.into_iter().collect(),
            influences: self.influences,
        }
    }

    /// Adds this to what a temporary table was made of.
    pub(super) fn add_to(self, temporary: &mut Temporary) {
        temporary.inputs.extend(self.inputs);
        temporary.influences.extend(self.influences);
        for (column, sources) in self.columns {
            temporary.edges.entry(column).or_default().extend(sources);
        }
    }

    /// Replaces a table by another, for one that got another name.
    pub(super) fn rename(&mut self, from: &Place, to: &Place) {
        let table = Source::Table(from.clone());
        if self.inputs.remove(&table) {
            self.inputs.insert(Source::Table(to.clone()));
        }
        let renamed = |edges: &mut BTreeSet<Edge>| {
            if edges.iter().any(|edge| edge.place == *from) {
                let all = std::mem::take(edges).into_iter();
                *edges = all.map(|edge| edge.renamed(from, to)).collect();
            }
        };
        renamed(&mut self.influences);
        self.columns
            .iter_mut()
            .for_each(|(_, edges)| renamed(edges));
    }
}

impl Edge {
    fn renamed(self, from: &Place, to: &Place) -> Edge {
        match self.place == *from {
            true => Edge {
                place: to.clone(),
                ..self
            },
            false => self,
        }
    }
}

/// What is no table of the warehouse.
pub(super) fn outside(dataset: &Dataset) -> Option<Source> {
    let s3 = |bucket: &String, key: &String| Source::S3 {
        bucket: bucket.clone(),
        key: key.clone(),
    };
    match dataset {
        Dataset::Table(_) => None,
        Dataset::S3(place) => Some(s3(&place.bucket, &place.key)),
        Dataset::Other(CopySource::DynamoDb(table)) => Some(Source::DynamoDb(table.clone())),
        Dataset::Other(CopySource::Emr { cluster, path }) => Some(Source::Emr {
            cluster: cluster.clone(),
            path: path.clone(),
        }),
        Dataset::Other(CopySource::Ssh(manifest)) => Some(s3(&manifest.bucket, &manifest.key)),
    }
}
