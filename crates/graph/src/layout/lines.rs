//! Draws boxes and lines, once columns and heights are known.
#![allow(
    clippy::indexing_slicing,
    reason = "vertices are numbered from 0 without gaps"
)]

use super::acyclic::Arc;
use super::columns::Columns;
use super::{BoxSize, Layout, Line, Point, Rect};

/// The space between two columns, in pixels: lines turn there.
const BETWEEN_COLUMNS: f64 = 80.0;

/// The left and the right side of a column.
#[derive(Clone, Copy)]
struct Sides {
    left: f64,
    right: f64,
}

/// Draws everything.
pub(super) fn draw(all: &Columns, arcs: &[Arc], sizes: &[BoxSize], centres: &[f64]) -> Layout {
    let mut sides = vec![None; all.len()];
    let mut left = 0.0;
    for column in &all.columns {
        let widths = column.iter().filter_map(|vertex| sizes.get(*vertex));
        let width = widths.map(|size| size.width).fold(0.0, f64::max);
        let right = left + width;
        for vertex in column {
            sides[*vertex] = Some(Sides { left, right });
        }
        left = right + BETWEEN_COLUMNS;
    }
    let width = (left - BETWEEN_COLUMNS).max(0.0);
    let sides = |vertex: usize| {
        sides[vertex].unwrap_or(Sides {
            left: 0.0,
            right: 0.0,
        })
    };
    let boxes: Vec<Rect> = (sizes.iter().enumerate())
        .map(|(node, size)| Rect {
            x: sides(node).left,
            y: centres[node] - size.height / 2.0,
            size: *size,
        })
        .collect();
    let point = |x: f64, vertex: usize| Point {
        x,
        y: centres[vertex],
    };
    let lines = arcs.iter().zip(&all.paths).map(|(arc, path)| {
        let ends = [arc.from, arc.to];
        let path = path.as_deref();
        let between = path.and_then(|path| path.get(1..path.len() - 1));
        let mut points = vec![
            point(boxes[arc.from].x + sizes[arc.from].width, arc.from),
            point(sides(arc.from).right, arc.from),
        ];
        for dummy in between.unwrap_or_default() {
            points.push(point(sides(*dummy).left, *dummy));
            points.push(point(sides(*dummy).right, *dummy));
        }
        points.push(point(boxes[arc.to].x, arc.to));
        points.dedup();
        let [mut from, mut to] = ends;
        if arc.is_reversed {
            points.reverse();
            (from, to) = (to, from);
        }
        Line {
            from,
            to,
            points,
            is_reversed: arc.is_reversed,
            is_routed: path.is_some(),
        }
    });
    let lines = lines.collect();
    let bottoms = boxes.iter().map(|it| it.y + it.size.height);
    let bottoms = bottoms.chain(centres.iter().copied());
    Layout {
        lines,
        width,
        height: bottoms.fold(0.0, f64::max),
        dummies: all.len() - all.nodes,
        boxes,
        work: 0,
    }
}
