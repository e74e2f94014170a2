//! What the reader can change of the view: a form whose values are those of the address.

use history::NodeKind;
use maud::{Markup, html};

use super::read::Read;
use super::wish::{MOST_LEVELS, View, Wish, kind_name};
use crate::Site;
use crate::text::shown;

/// The most columns that can be chosen from.
const CHOICES: usize = 500;

/// The form, and links to other views.
pub(super) fn controls(site: &Site, wish: &Wish, read: &Read) -> Markup {
    let path = site.path(super::PATH);
    let is_near = wish.view == View::Near;
    let whole = Wish {
        view: View::Whole,
        column: None,
        open: Vec::new(),
        from: 0,
        ..wish.clone()
    };
    html! {
        div .bar {
            form .options action=(path) data-draws {
                @if let Some(node) = &wish.focus {
                    input type="hidden" name=(kind_name(node.kind)) value=(node.name);
                    input type="hidden" name="namespace" value=(node.namespace);
                }
                @if is_near {
                    label { "before " input type="number" name="up" min="0" max=(MOST_LEVELS) value=(wish.reach.up); }
                    label { "after " input type="number" name="down" min="0" max=(MOST_LEVELS) value=(wish.reach.down); }
                    (columns(wish, read))
                    @if !wish.open.is_empty() {
                        input type="hidden" name="open" value=(wish.open.join("\n"));
                        label { "columns with " input type="text" name="fields" size="10" value=(wish.fields); }
                    }
                    label { input type="checkbox" name="old" value="1" checked[wish.has_old]; " older edges" }
                } @else {
                    input type="hidden" name="all" value="1";
                }
                label { input type="checkbox" name="group" value="parent" checked[wish.is_grouped]; " group by parent" }
                button { "Show" }
            }
            form .finder role="search" action=(path) {
                label .unseen for="find-node" { "Find a job or dataset" }
                input #find-node type="search" name="find" maxlength="500" placeholder="Find a job or dataset" autocomplete="off" spellcheck="false";
                button { "Find" }
            }
            span .views {
                @if is_near { a href=(whole.address(&path)) { "All of it" } " · " }
                @else if wish.focus.is_some() {
                    a href=(Wish { view: View::Near, ..wish.clone() }.address(&path)) { "Near it" } " · "
                }
                a href=(path) { "What there is" }
            }
        }
        @if read.is_missing {
            p .cut {
                "The chosen one is not among the nodes that are "
                @if is_near { "grouped, and its neighbours are not either." } @else { "drawn." }
                " These are those that were seen last, some seconds ago. "
                @if !is_near { a href=(Wish { view: View::Near, is_grouped: false, ..wish.clone() }.address(&path)) { "Near it" } }
            }
        }
        @if read.is_cut {
            p .cut {
                @if is_near { "Some nodes have more edges than are read: there may be more than is shown." }
                @else { "There is more than is drawn: these are the nodes that were seen last." }
            }
        }
    }
}

fn columns(wish: &Wish, read: &Read) -> Markup {
    let is_dataset = wish
        .focus
        .as_ref()
        .is_some_and(|it| it.kind == NodeKind::Dataset);
    let chosen = wish.column.as_deref();
    let is_listed = |name: &str| read.columns.iter().any(|column| column.name == name);
    html! {
        @if is_dataset && (!read.columns.is_empty() || chosen.is_some()) {
            label {
                "path of "
                select name="column" {
                    option value="" { "no column" }
                    @if let Some(chosen) = chosen && !is_listed(chosen) {
                        option value=(chosen) selected { (shown(chosen, 60)) }
                    }
                    @for column in read.columns.iter().take(CHOICES) {
                        option value=(column.name) selected[chosen == Some(column.name.as_str())] { (shown(&column.name, 60)) }
                    }
                }
            }
        }
    }
}
