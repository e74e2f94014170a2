//! Every run, job and dataset of an event that can hold facets, wherever it stands: the one notion of "all facets of an
//! event" that checks and transforms share.
//!
//! Facets of one run can carry other runs and jobs, with facets of their own: `ParentRunFacet` 1-2-0 forwards those of
//! the parent and of the root. [`FORWARDING`] lists such facets; what is added there is seen by all that call this.
//! Called by the positions of names and by every action on facets.

use std::cell::OnceCell;

use crate::json::{Json, Member, last};
use crate::text::MAX_DEPTH;

/// What facets describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Run,
    Job,
    /// Any dataset, input or output or neither.
    Dataset,
    /// A dataset as an input: `inputFacets`.
    Input,
    /// A dataset as an output: `outputFacets`.
    Output,
}

/// A run, job or dataset that can hold facets.
#[derive(Debug)]
pub struct Holder<'t> {
    /// What it is: a run, a job or a dataset.
    pub kind: Kind,
    /// The place, in the words of the specification: `run`, `job`, `inputs`, `parent`, `root`, ….
    pub place: &'static str,
    /// Whether it stands in a facet of another: it is not what the event is about.
    pub forwarded: bool,
    /// The object.
    pub value: Json<'t>,
    /// Its members.
    pub members: Vec<Member<'t>>,
    sets: OnceCell<Vec<FacetSet<'t>>>,
}

/// An object of facets.
#[derive(Debug)]
pub struct FacetSet<'t> {
    /// What its facets describe.
    pub kind: Kind,
    /// The member of the holder that it is: `facets`, `inputFacets` or `outputFacets`.
    pub key: &'static str,
    /// The object.
    pub object: Json<'t>,
    members: OnceCell<Vec<Member<'t>>>,
}

/// The way to a holder from the root of the event.
#[derive(Debug, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

/// What a facet carries inside.
enum Inside {
    Holder(Kind, &'static str),
    Members(&'static [(&'static str, Inside)]),
    Each(&'static Inside),
}

use Inside::{Each, Members};

/// The run facets that carry runs and jobs. One that the specification adds is one line more.
///
/// `parentRun` is what Airflow's integration called `parent` before 0.4, and sent beside it later
/// (<https://github.com/OpenLineage/OpenLineage/issues/1036>).
static FORWARDING: [(&str, Inside); 3] = [
    ("parent", Members(&PARENT)),
    ("parentRun", Members(&PARENT_RUN)),
    (
        "jobDependencies",
        Members(&[
            ("upstream", Each(&DEPENDENCY)),
            ("downstream", Each(&DEPENDENCY)),
        ]),
    ),
];

const PARENT: [(&str, Inside); 3] = [
    ("run", Inside::Holder(Kind::Run, "parent")),
    ("job", Inside::Holder(Kind::Job, "parent")),
    ("root", Members(&ROOT)),
];

const PARENT_RUN: [(&str, Inside); 3] = [
    ("run", Inside::Holder(Kind::Run, "parentRun")),
    ("job", Inside::Holder(Kind::Job, "parentRun")),
    ("root", Members(&ROOT)),
];

const ROOT: [(&str, Inside); 2] = [
    ("run", Inside::Holder(Kind::Run, "root")),
    ("job", Inside::Holder(Kind::Job, "root")),
];

const DEPENDENCY: Inside = Members(&[
    ("run", Inside::Holder(Kind::Run, "jobDependencies")),
    ("job", Inside::Holder(Kind::Job, "jobDependencies")),
]);

/// Calls `visit` for every holder of facets in `event`, with the way to it. Duplicated keys are all walked.
pub fn holders<'t>(event: Json<'t>, visit: &mut dyn FnMut(&Holder<'t>, &Path)) {
    walk(event, true, visit);
}

/// The same of runs and jobs alone: datasets can be thousands.
pub fn runs_and_jobs<'t>(event: Json<'t>, visit: &mut dyn FnMut(&Holder<'t>, &Path)) {
    walk(event, false, visit);
}

fn walk<'t>(event: Json<'t>, datasets: bool, visit: &mut dyn FnMut(&Holder<'t>, &Path)) {
    let mut walk = Walk {
        path: Path::default(),
        visit,
    };
    for member in event.members() {
        let value = member.value;
        match member.key.string().as_deref() {
            Some("run") => walk.at("run", |walk| walk.holder(Kind::Run, "run", value)),
            Some("job") => walk.at("job", |walk| walk.holder(Kind::Job, "job", value)),
            Some("dataset") if datasets => {
                walk.at("dataset", |walk| {
                    walk.holder(Kind::Dataset, "dataset", value);
                });
            }
            Some("inputs") if datasets => walk.datasets("inputs", value),
            Some("outputs") if datasets => walk.datasets("outputs", value),
            Some(_) | None => {}
        }
    }
}

/// Every facet called `name` of what is of that kind, forwarded ones too.
pub fn facets_named<'t>(event: Json<'t>, kind: Kind, name: &str) -> Vec<Json<'t>> {
    let mut found = Vec::new();
    // Datasets can be thousands, and hold no facets of runs and jobs.
    let datasets = !matches!(kind, Kind::Run | Kind::Job);
    walk(event, datasets, &mut |holder, _| {
        for set in holder.facet_sets().iter().filter(|set| set.kind == kind) {
            let named = set.members().iter().filter(|member| member.is(name));
            found.extend(named.map(|member| member.value));
        }
    });
    found
}

/// Every `runId`: the event's own, and those of the runs that facets refer to.
pub fn run_ids(event: Json<'_>) -> Vec<Json<'_>> {
    let mut found = Vec::new();
    walk(event, false, &mut |holder, _| {
        if holder.kind == Kind::Run {
            let ids = holder.members.iter().filter(|member| member.is("runId"));
            found.extend(ids.map(|member| member.value));
        }
    });
    found
}

impl<'t> Holder<'t> {
    /// The facets that it has, by what they describe; found once.
    pub fn facet_sets(&self) -> &[FacetSet<'t>] {
        self.sets.get_or_init(|| {
            let known = |member: &Member<'t>| {
                let name = member.key.string()?;
                let (key, kind) = self.keys().iter().find(|(key, _)| name == *key)?;
                Some(FacetSet {
                    kind: *kind,
                    key,
                    object: member.value,
                    members: OnceCell::new(),
                })
            };
            self.members.iter().filter_map(known).collect()
        })
    }

    /// The members in which it holds facets. An input can have `outputFacets`, which mean nothing, but may be large or
    /// hold a secret.
    pub fn keys(&self) -> &'static [(&'static str, Kind)] {
        match (self.kind, self.place) {
            (Kind::Run, _) => &[("facets", Kind::Run)],
            (Kind::Job, _) => &[("facets", Kind::Job)],
            (Kind::Dataset | Kind::Input | Kind::Output, "inputs") => &[
                ("facets", Kind::Dataset),
                ("inputFacets", Kind::Input),
                ("outputFacets", Kind::Output),
            ],
            (Kind::Dataset | Kind::Input | Kind::Output, "outputs") => &[
                ("facets", Kind::Dataset),
                ("outputFacets", Kind::Output),
                ("inputFacets", Kind::Input),
            ],
            (Kind::Dataset | Kind::Input | Kind::Output, _) => &[("facets", Kind::Dataset)],
        }
    }

    /// Its namespace and name, where both are strings.
    pub(crate) fn named(&self) -> Option<(Json<'t>, Json<'t>)> {
        let string = |name| last(&self.members, name).filter(|value| value.kind() == "string");
        string("namespace").zip(string("name"))
    }
}

impl<'t> FacetSet<'t> {
    /// The facets, by name; read once.
    pub fn members(&self) -> &[Member<'t>] {
        self.members.get_or_init(|| self.object.members())
    }
}

impl Path {
    /// As a JSON Pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("/{key}"),
            Step::Index(index) => format!("/{index}"),
        };
        self.0.iter().map(step).collect()
    }
}

struct Walk<'v, 't> {
    path: Path,
    visit: &'v mut dyn FnMut(&Holder<'t>, &Path),
}

impl<'t> Walk<'_, 't> {
    fn at(&mut self, key: &'static str, walk: impl FnOnce(&mut Self)) {
        self.path.0.push(Step::Key(key));
        walk(self);
        self.path.0.pop();
    }

    fn each(&mut self, list: Json<'t>, mut walk: impl FnMut(&mut Self, Json<'t>)) {
        for (index, item) in list.items().into_iter().enumerate() {
            self.path.0.push(Step::Index(index));
            walk(self, item);
            self.path.0.pop();
        }
    }

    fn datasets(&mut self, place: &'static str, list: Json<'t>) {
        self.at(place, |walk| {
            walk.each(list, |walk, dataset| {
                walk.holder(Kind::Dataset, place, dataset)
            });
        });
    }

    fn holder(&mut self, kind: Kind, place: &'static str, value: Json<'t>) {
        if !value.is_object() {
            return;
        }
        // A facet is two levels below what carries it, so that whatever stands in another makes the way longer.
        let forwarded = self
            .path
            .0
            .iter()
            .any(|step| matches!(step, Step::Key("facets")));
        let holder = Holder {
            kind,
            place,
            forwarded,
            value,
            members: value.members(),
            sets: OnceCell::new(),
        };
        (self.visit)(&holder, &self.path);
        // No event is deeper; a text that was not read as one must not end the stack.
        if kind != Kind::Run || self.path.0.len() > MAX_DEPTH {
            return;
        }
        for facets in holder.facet_sets() {
            for member in facets.members() {
                let key = member.key.string();
                let carries = FORWARDING
                    .iter()
                    .find(|(name, _)| key.as_deref() == Some(*name));
                if let Some((name, inside)) = carries {
                    self.at(facets.key, |walk| {
                        walk.at(name, |walk| walk.inside(inside, member.value))
                    });
                }
            }
        }
    }

    fn inside(&mut self, inside: &'static Inside, value: Json<'t>) {
        match inside {
            Inside::Holder(kind, place) => self.holder(*kind, place, value),
            Inside::Members(known) => {
                for member in value.members() {
                    let key = member.key.string();
                    if let Some((name, inside)) =
                        known.iter().find(|(name, _)| key.as_deref() == Some(*name))
                    {
                        self.at(name, |walk| walk.inside(inside, member.value));
                    }
                }
            }
            Inside::Each(inside) => self.each(value, |walk, item| walk.inside(inside, item)),
        }
    }
}

#[cfg(test)]
mod tests;
