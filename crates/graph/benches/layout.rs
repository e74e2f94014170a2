//! How long it takes to lay out an estate: sources, staging, intermediate tables, marts with hubs, and exports, with the jobs
//! between them.
//!
//! `cargo bench -p graph --bench layout`

#![allow(missing_docs, reason = "a benchmark has no users")]
#![allow(clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use graph::{BoxSize, Layout, layout};

fn main() {
    divan::main();
}

const SIZE: BoxSize = BoxSize {
    width: 200.0,
    height: 34.0,
};

type Boxes = Vec<(u64, BoxSize)>;

/// A dataset of each layer is made by a job out of one to six of the layer before. Names tell nothing of the order.
fn estate(nodes: usize) -> (Boxes, Vec<(usize, usize)>) {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut boxes, mut edges) = (Vec::new(), Vec::new());
    let mut node = |random: &mut fastrand::Rng| {
        boxes.push((random.u64(..), SIZE));
        boxes.len() - 1
    };
    // The share of each layer, and how many datasets a job reads.
    let layers = [(15, 0), (15, 1), (12, 3), (10, 5), (6, 1)];
    let (mut before, mut earlier): (Vec<usize>, Vec<usize>) = Default::default();
    for (share, reads) in layers {
        let mut layer = Vec::new();
        for number in 0..(nodes * share / 100).max(1) {
            let dataset = node(&mut random);
            if reads > 0 {
                let job = node(&mut random);
                edges.push((job, dataset));
                for read in 0..reads {
                    // Near ones mostly, and hubs of any layer that many read.
                    let near = number * before.len() / (nodes * share / 100).max(1) + read;
                    let near = before[near.min(before.len() - 1)];
                    let hub = earlier[random.usize(..1 + earlier.len() / 20)];
                    let chosen = if random.u8(..5) == 0 { hub } else { near };
                    edges.push((chosen, job));
                }
            }
            layer.push(dataset);
        }
        earlier.extend(&layer);
        before = layer;
    }
    (boxes, edges)
}

#[divan::bench(args = [150, 500, 2_000, 10_000])]
fn an_estate(bencher: divan::Bencher, nodes: usize) {
    let (boxes, edges) = estate(nodes);
    bencher.bench_local(|| -> Layout { layout(&boxes, &edges) });
}
