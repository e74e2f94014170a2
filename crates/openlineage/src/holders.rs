//! Every run, job and dataset of an event that can hold facets, at any depth: the one definition of "all facets of an
//! event", shared by checks and transforms.
//!
//! Facets of one run can carry other runs and jobs, with facets of their own: `ParentRunFacet` 1-2-0 forwards those of
//! the parent and of the root. [`FORWARDING`] lists such facets; an entry added there takes effect for every caller.
//! Called by the positions of names and by every action on facets.

use std::cell::OnceCell;

use crate::json::{Json, Member, last};
use crate::text::MAX_DEPTH;

/// What facets describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are terms of the specification")]
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
    /// Its kind: a run, a job or a dataset.
    pub kind: Kind,
    /// The position, in the specification's terms: `run`, `job`, `inputs`, `parent`, `root`, ….
    pub place: &'static str,
    /// Whether it is inside a facet of another holder, and so not the subject of the event.
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
    /// The kind of object its facets describe.
    pub kind: Kind,
    /// The member of the holder: `facets`, `inputFacets` or `outputFacets`.
    pub key: &'static str,
    /// The object.
    pub object: Json<'t>,
    members: OnceCell<Vec<Member<'t>>>,
}

/// The path from the root of the event to a holder.
#[derive(Debug, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

/// The runs and jobs that a facet contains.
enum Interior {
    Holder(Kind, &'static str),
    Members(&'static [(&'static str, Interior)]),
    Each(&'static Interior),
}

use Interior::{Each, Members};

/// The run facets that contain runs and jobs. To support a new one, add a line.
///
/// `parentRun` is what Airflow's integration called `parent` before 0.4, and sent beside it later
/// (<https://github.com/OpenLineage/OpenLineage/issues/1036>).
static FORWARDING: [(&str, Interior); 3] = [
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

const PARENT: [(&str, Interior); 3] = [
    ("run", Interior::Holder(Kind::Run, "parent")),
    ("job", Interior::Holder(Kind::Job, "parent")),
    ("root", Members(&ROOT)),
];

const PARENT_RUN: [(&str, Interior); 3] = [
    ("run", Interior::Holder(Kind::Run, "parentRun")),
    ("job", Interior::Holder(Kind::Job, "parentRun")),
    ("root", Members(&ROOT)),
];

const ROOT: [(&str, Interior); 2] = [
    ("run", Interior::Holder(Kind::Run, "root")),
    ("job", Interior::Holder(Kind::Job, "root")),
];

const DEPENDENCY: Interior = Members(&[
    ("run", Interior::Holder(Kind::Run, "jobDependencies")),
    ("job", Interior::Holder(Kind::Job, "jobDependencies")),
]);

/// Calls `visit` for every holder of facets in `event`, with its path. Walks all duplicated keys.
pub fn holders<'t>(event: Json<'t>, visit: &mut dyn FnMut(&Holder<'t>, &Path)) {
    walk(event, true, visit);
}

/// Like [`holders`], for runs and jobs only: an event can have thousands of datasets.
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

/// Returns every facet called `name` on holders of that kind, including forwarded ones.
pub fn facets_named<'t>(event: Json<'t>, kind: Kind, name: &str) -> Vec<Json<'t>> {
    let mut found = Vec::new();
    // An event can have thousands of datasets, and they hold no facets of runs and jobs.
    let datasets = !matches!(kind, Kind::Run | Kind::Job);
    walk(event, datasets, &mut |holder, _| {
        for set in holder.facet_sets().iter().filter(|set| set.kind == kind) {
            let named = set.members().iter().filter(|member| member.is(name));
            found.extend(named.map(|member| member.value));
        }
    });
    found
}

/// Returns every `runId`: the event's own, and those of runs that facets refer to.
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
    /// Its facets, by the kind they describe; looked up once.
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

    /// The members in which it holds facets. An input can have `outputFacets`: meaningless, but possibly large or
    /// containing a secret.
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

    /// Its namespace and name, if both are strings.
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
    /// Formats the path as a JSON Pointer (RFC 6901).
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
        // A facet is two levels below its holder, so each nested holder makes the path longer.
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
        // No valid event is deeper; a text that was not validated must not overflow the stack.
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

    fn inside(&mut self, inside: &'static Interior, value: Json<'t>) {
        match inside {
            Interior::Holder(kind, place) => self.holder(*kind, place, value),
            Interior::Members(known) => {
                for member in value.members() {
                    let key = member.key.string();
                    if let Some((name, inside)) =
                        known.iter().find(|(name, _)| key.as_deref() == Some(*name))
                    {
                        self.at(name, |walk| walk.inside(inside, member.value));
                    }
                }
            }
            Interior::Each(inside) => self.each(value, |walk, item| walk.inside(inside, item)),
        }
    }
}

#[cfg(test)]
mod tests;
