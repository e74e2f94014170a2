#!/usr/bin/env python3
"""Runs the benchmarks and writes docs/benchmarks.md, with the date, the commit and the machine.

    benches/report.py                  # all of them: about an hour, on a machine that does nothing else
    benches/report.py line rules       # some of them; the sections of the others stay as they are

The benchmarks `line`, `queue`, `log` and `estate` print tables in Markdown, as does `tests/page_budgets.py`, and the reliability suite rows of one. The others print trees
(divan), of which this keeps medians and their ratio to reading the same event.
"""

import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

`benches/report.py` writes this page. `benches/report.py line` repeats one section. To compare with another build, set
`BENCH_AGAINST` to the folder with its binaries, and `BENCH_AGAINST_COMMIT` to what the table should call it.

Ratios are more reliable than rates: machines differ, and so do disks. All figures are medians.
"""
SECTIONS = {
    "line": "The whole line\n\nThe real binaries, and the functions as they are deployed (profile `function`). The load generator runs on the same cores.\n"
    "Bytes are those of the pages that were written, syncs the calls of `fsync` and `fdatasync`. With `SQS_ENDPOINT` and\n"
    "`SQS_QUEUE_URL` set, ingest is measured with SQS too.",
    "queue": "The embedded queue\n\nA thousand events beside a million, or as many as `QUEUE_EVENTS` says.",
    "log": "The log\n\nOne writer and one to three consumers in one process, without HTTP, rules and targets. Bytes are those of system calls.",
    "rules": "Rules\n\nWhat each action and each condition that does not match costs for an event of about 2, 20 and 200 KB. In brackets: the ratio to\n"
    "`read`, which reads and checks the same event.",
    "engines": "Scripts and modules\n\nThe same transform by hand (`floor`), as a script and as a module; what starting each costs; and how long the default\n"
    "limits allow them to run (`bounds`).",
    "coalesce": "Coalescing\n\nMerging four events of that size (in KB) into one, beside reading them.",
    "record": "Recording in the history\n\nA group of 256 outcomes of events of 1.6 KB (the start of a run) and 4.6 KB (its end, with columns), without and with their\n"
    "lineage: of an estate of 1,000 jobs that reports the same again and again, of one that is new, and of a history that is full, so\n"
    "that each outcome deletes an older event. With `TMPDIR` in memory it is what the processor does, without the sync of the disk.",
    "estate": "The history of a large estate\n\n100,000 events of 1,000 jobs and 1,000 tables, or as many as `ESTATE_EVENTS` says, and the middle of nine answers to each\n"
    "question. `find` lists 100 events.",
    "page": "The page\n\n`serve` with 100,000 events of an estate of 2,000 nodes, looked at by Chromium on the same cores, beside the budgets that the page\n"
    "was designed for. What exceeds its budget is bold. `tests/page_budgets.py` says how each is measured.",
    "reliability": "The reliability suite\n\nWhat `tests/reliability.sh` measured: all cases of the suite at full size, on release builds, beside clients and targets\n"
    "on the same machine. `lost` counts events that were answered with `200` and not delivered.",
}
# The page is measured by a browser of an environment of its own, as its tests are.
PAGE_BUDGETS = """set -euo pipefail
. tests/environment.sh
python="$(environment page tests/real/requirements-page.txt)"/bin/python
PROXY_TEST_BIN_DIR="${CARGO_TARGET_DIR:-$PWD/target}/release" "$python" tests/page_budgets.py"""
NANOSECONDS = {"ns": 1, "µs": 1e3, "us": 1e3, "ms": 1e6, "s": 1e9}


def tree(text):
    """The medians of a tree that divan prints: the path of each leaf, and nanoseconds."""
    path, medians = [], {}
    for line in text.splitlines():
        leaf = re.match(r"^((?:│  |   )*)[├╰]─ (.*)$", line)
        if not leaf:
            continue
        depth = len(leaf[1]) // 3
        cells = [cell.strip() for cell in leaf[2].split("│")]
        time = re.match(r"^(.*?)\s+[\d.]+ (?:ns|µs|us|ms|s)$", cells[0])
        del path[depth:]
        path.append(time[1] if time else cells[0])
        if time and len(cells) > 2:
            number, unit = cells[2].split()
            medians[tuple(path)] = float(number) * NANOSECONDS[unit]
    return medians


def duration(nanoseconds):
    """`17 µs`: three significant digits."""
    for unit in ("s", "ms", "µs"):
        if nanoseconds >= NANOSECONDS[unit]:
            return f"{nanoseconds / NANOSECONDS[unit]:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def table(medians):
    """A row for each benchmark, a column for each size."""
    rows, sizes = {}, []
    for path, time in medians.items():
        size = next((part for part in path if part.isdigit()), "")
        name = ": ".join(part for part in path if part != size)
        rows.setdefault(name, {})[size] = time
        if size not in sizes:
            sizes.append(size)
    floor = rows.get("read", {})
    lines = ["| what | " + " | ".join(size or "time" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name, times in rows.items():
        cells = []
        for size in sizes:
            ratio = f" ({times[size] / floor[size]:.2f})" if size in times and size in floor else ""
            cells.append(duration(times[size]) + ratio if size in times else "")
        escaped = name.replace("|", "\\|")
        code = f"`` {escaped} ``" if "`" in escaped else f"`{escaped}`"
        lines.append(f"| {code} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    """The processor, its cores, the memory and the system."""
    model = re.search(r"(?m)^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text())
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()} {platform.release()}"


def output(*command):
    """What a command prints."""
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def section(name):
    """Runs a benchmark and writes its section."""
    if name == "reliability":
        text = "| case | measured |\n|---|---|\n" + output("tests/reliability.sh").partition("== what was measured\n")[2]
    elif name == "page":
        output("cargo", "build", "--release", "--locked", "-p", "lineage-proxy", "--bins")
        text = output("bash", "-c", PAGE_BUDGETS)
    else:
        text = output("cargo", "bench", "--workspace", "--bench", name)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    commit = output("git", "describe", "--always", "--dirty").strip()
    rustc = output("rustc", "--version").split()[1]
    today = datetime.date.today().isoformat()
    body = "\n".join(rows) if rows else table(tree(text))
    return f"## {SECTIONS[name]}\n\n{body}\n\n{today}, commit {commit}, Rust {rustc}. {machine()}.\n"


def sections(page):
    """The sections of the page that is there, by benchmark."""
    by_title = {text.partition("\n")[0]: name for name, text in SECTIONS.items()}
    found = re.split(r"(?m)^## ", page)[1:]
    return {by_title[text.partition("\n")[0]]: f"## {text.rstrip()}\n" for text in found}


def main():
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    for name in wanted:
        written = sections(PAGE.read_text()) | {name: section(name)}
        PAGE.write_text("\n".join([HEAD, *(written[name] for name in SECTIONS if name in written)]))


if __name__ == "__main__":
    main()
