"""A release, made by `release.sh` and uploaded by `sync_assets.sh -z`. Cargo and the AWS CLI are stood in for: what is built is of no account."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from variants import TEMPLATE, template

ROOT = TEMPLATE.parents[1]
NAMES = ("ingest", "batch", "check", "source")
# What using the examples leaves in their folders.
LEFT = [
    "examples/cdk/cdk.out/manifest.json",
    "examples/cdk/lineage-proxy/target.yaml",
    "examples/terraform/.terraform.lock.hcl",
    "examples/terraform/.terraform/terraform.tfstate",
    "examples/terraform/terraform.tfstate",
    "examples/terraform/terraform.tfstate.backup",
]


class Machine:
    """A checkout in a folder of its own, with tools of its own."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.tools = folder, folder / "tools"
        shutil.copytree(ROOT / "infra", folder / "checkout/infra")
        for example in ("terraform", "cdk"):
            shutil.copytree(ROOT / "examples" / example, folder / "checkout/examples" / example)
        for file in ("sync_assets.sh", "release.sh", "Cargo.toml", "LICENSE", "README.md"):
            shutil.copy(ROOT / file, folder / "checkout")
        self.tools.mkdir()
        build = 'for name in ingest batch check source lineage-proxy; do mkdir -p "$CARGO_TARGET_DIR/lambda/$name"; echo "$name of $*" >"$CARGO_TARGET_DIR/lambda/$name/bootstrap"; done'
        self.tool("cargo", build)
        self.tool("aws", "echo '(404)' >&2; exit 1")  # nothing is there yet

    def tool(self, name, does):
        (self.tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (self.tools / name).chmod(0o755)

    def run(self, script, *flags, folder=None, **env):
        """Runs a script in a folder, by default that of the tests."""
        env = {"PATH": f"{self.tools}:/usr/bin:/bin", "CARGO_TARGET_DIR": str(self.folder / "target"), "AWS_REGION": "eu-west-1", "TMPDIR": str(self.folder), **env}
        return subprocess.run([script, *map(str, flags)], cwd=folder, env=env, capture_output=True, text=True)

    def release(self, *flags, **env):
        done = self.run(self.folder / "checkout/release.sh", "-f", "-o", self.folder / "release", *flags, **env)
        assert done.returncode == 0, done.stderr
        return self.folder / "release"

    def compile(self):
        """Has `cargo` compile small programs that name files of the checkout, of the registry and of the target folder, in Rust and C."""
        rustc = Path(subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()) / "bin/rustc"
        name = 'pub fn name() -> &\'static str { file!() }'
        (self.folder / "checkout/src").mkdir()
        (self.folder / "checkout/src/part.c").write_text('const char *part(void) { return __FILE__ " of " __DATE__ " " __TIME__; }\n')
        (self.folder / "checkout/src/main.rs").write_text(
            "mod generated { include!(concat!(env!(\"CARGO_TARGET_DIR\"), \"/generated.rs\")); }\nmod local { include!(concat!(env!(\"HERE\"), \"/src/local.rs\")); }\n"
            "extern \"C\" { fn part() -> *const std::ffi::c_char; }\n"
            'fn main() { println!("{} {} {} {:?}", dep::name(), generated::name(), local::name(), unsafe { std::ffi::CStr::from_ptr(part()) }); }\n'
        )
        (self.folder / "checkout/src/local.rs").write_text(name)
        # `cargo` is a stand-in, which finds its sources where Cargo does.
        self.tool("cargo", f"""
set -e
registry="$CARGO_HOME/registry/src/index.crates.io-1/dep-1"
case "$*" in
fetch*) mkdir -p "$registry"; echo "{name}" >"$registry/lib.rs" ;;
"lambda build"*)
    # Cargo would take these in place of RUSTFLAGS and of the profile.
    [ -z "$CARGO_ENCODED_RUSTFLAGS$CARGO_PROFILE_RELEASE_OPT_LEVEL" ]
    echo "{name}" >"$CARGO_TARGET_DIR/generated.rs"
    export HERE="$(pwd -P)" PATH="$PATH:/usr/bin:/bin"
    {rustc} $RUSTFLAGS -C target-cpu=generic --edition 2021 --crate-type rlib --crate-name dep -o "$CARGO_TARGET_DIR/libdep.rlib" "$registry/lib.rs"
    cc $CFLAGS -c -o "$CARGO_TARGET_DIR/part.o" "$HERE/src/part.c"
    {rustc} $RUSTFLAGS -C target-cpu=generic -C strip=symbols --edition 2021 --extern dep="$CARGO_TARGET_DIR/libdep.rlib" -C link-arg="$CARGO_TARGET_DIR/part.o" -o "$CARGO_TARGET_DIR/main" src/main.rs
    for name in ingest batch check source lineage-proxy; do mkdir -p "$CARGO_TARGET_DIR/lambda/$name"; cp "$CARGO_TARGET_DIR/main" "$CARGO_TARGET_DIR/lambda/$name/bootstrap"; done ;;
esac""")

    def upload(self, folder, *flags):
        """Uploads a release, on a machine without Rust."""
        self.tool("cargo", "exit 9")
        return self.run(self.folder / "checkout/sync_assets.sh", "-b", "assets", "-n", "-z", folder, "-o", self.folder / "out", *flags)

    def named(self, arch, file="openlineage-proxy.yaml"):
        """What the finished template names."""
        return template(self.folder / "out" / file)["Mappings"]["Code"][arch]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def put(done):
    assert done.returncode == 0, done.stderr
    return re.findall(r"would put  s3://assets/(\S+)", done.stdout)


def test_every_file_is_described_and_packed_without_times(machine):
    release = machine.release("-c")
    described = dict(reversed(line.split("  ", 1)) for line in (release / "SHA256SUMS").read_text().splitlines())
    files = {str(file.relative_to(release)) for file in release.rglob("*") if file.is_file()} - {"SHA256SUMS"}
    assert described.keys() == files >= {"VERSION", "sync_assets.sh", "rollout.sh", "deployer-policy.json", "examples/terraform/main.tf", "examples/cdk/app.py", "bin/lineage-proxy-arm64.tar.gz"}
    for file, digest in described.items():
        assert hashlib.sha256((release / file).read_bytes()).hexdigest() == digest
    zips = list((release / "functions").iterdir())
    assert len(zips) == 8
    for zip in zips:
        [entry] = zipfile.ZipFile(zip).infolist()
        assert (entry.filename, entry.date_time, entry.external_attr >> 16) == ("bootstrap", (1980, 1, 1, 0, 0, 0), 0o100755)
        name, arch, digest = re.fullmatch(r"(\w+)-(arm64|x86-64)-(\w{16})\.zip", zip.name).groups()
        assert digest == hashlib.sha256(zipfile.ZipFile(zip).read("bootstrap")).hexdigest()[:16]
        if name != "source":
            assert template(release / "templates/openlineage-proxy.yaml")["Mappings"]["Code"][arch][name.title()] == f"lineage-proxy/{zip.name}"


def test_the_same_is_made_in_another_folder(tmp_path):
    sums = []
    for folder in ("one", "another-folder"):
        (tmp_path / folder).mkdir()
        sums.append((Machine(tmp_path / folder).release("-c") / "SHA256SUMS").read_text())
    assert sums[0] == sums[1]


# A clock of Python that is years ahead, for what packs.
LATER = "import time\n_time = time.time\ntime.time = lambda: _time() + 300_000_000\n"


def test_another_time_folder_and_environment_make_the_same_of_the_same_sources(tmp_path):
    """What is built and packed: with a real compiler, which puts the names of files and the time into what it makes."""
    if not shutil.which("rustc") or not shutil.which("cc"):
        pytest.skip("this machine has no compiler")
    one, other = Machine(tmp_path / "one"), Machine(tmp_path / "other/deeper/in-a-folder")
    for machine in (one, other):
        machine.compile()
    first = one.release("-c", "-a", "arm64", CARGO_HOME=str(one.folder / "cargo"))
    later = other.folder / "later"
    later.mkdir()
    (later / "sitecustomize.py").write_text(LATER)
    for file in (other.folder / "checkout").rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    # By a link, with the target folder in the checkout and Cargo's in that, after a build, with settings of its user.
    (tmp_path / "link").symlink_to(other.folder / "checkout")
    user = {
        "CARGO_TARGET_DIR": "target", "CARGO_HOME": str(other.folder / "checkout/target/cargo"), "PYTHONPATH": str(later), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo",
        "LC_ALL": "C.UTF-8", "CARGO_ENCODED_RUSTFLAGS": "-Copt-level=3", "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "SOURCE_DATE_EPOCH": "1", "CARGO_INCREMENTAL": "1",
    }
    second = other.folder / "second"
    for _ in range(2):
        done = other.run("bash", "-c", f"umask 077; {tmp_path}/link/release.sh -f -c -a arm64 -o {second}", folder=tmp_path, **user)
        assert done.returncode == 0, done.stderr
    assert (first / "SHA256SUMS").read_text() == (second / "SHA256SUMS").read_text()
    # And it is a program that has the names of none of the folders.
    [zip] = first.glob("functions/ingest-*.zip")
    program = tmp_path / "program"
    program.write_bytes(zipfile.ZipFile(zip).read("bootstrap"))
    program.chmod(0o755)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert said.startswith("/cargo/dep-1/lib.rs /target/generated.rs /lineage-proxy/src/local.rs \"/lineage-proxy/src/part.c of Jan  1 1980 "), said
    assert str(tmp_path).encode() not in program.read_bytes()


def test_an_sbom_has_the_time_of_the_commit_and_a_serial_number_of_its_content(tmp_path):
    sums = []
    for folder in ("one", "another-folder"):
        (tmp_path / folder).mkdir()
        machine = Machine(tmp_path / folder)
        (machine.folder / "template.json").write_text(json.dumps({"bomFormat": "CycloneDX", "serialNumber": "urn:uuid:SERIAL", "metadata": {"timestamp": "NOW"}, "components": [{"bom-ref": "path+file://SOURCE/crates/cli"}]}))
        build = 'for name in ingest batch check source; do mkdir -p "$CARGO_TARGET_DIR/lambda/$name"; echo "$name" >"$CARGO_TARGET_DIR/lambda/$name/bootstrap"; done'
        describe = f"""for last; do :; done; for name in cli functions; do mkdir -p "$(dirname "$last")/crates/$name"
sed "s/SERIAL/$(cat /proc/sys/kernel/random/uuid)/; s/NOW/$(date +%N)/; s|SOURCE|$(dirname "$last")|" {machine.folder}/template.json >"$(dirname "$last")/crates/$name/sbom.json"; done"""
        machine.tool("cargo", f'case "$*" in *--version) echo "cargo-cyclonedx-cyclonedx 0.5.9" ;; cyclonedx*) {describe} ;; *) {build} ;; esac')
        done = machine.run(machine.folder / "checkout/release.sh", "-o", machine.folder / "release", "-a", "arm64")
        assert done.returncode == 0, done.stderr
        sums.append((machine.folder / "release/SHA256SUMS").read_text())
        assert "cargo-cyclonedx 0.5.9\n" in (machine.folder / "release/VERSION").read_text()
    assert sums[0] == sums[1]
    made = json.loads((tmp_path / "one/release/sbom/cli.cdx.json").read_text())
    assert made["metadata"]["timestamp"] == "1980-01-01T00:00:00Z" and re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made["serialNumber"])
    assert made["components"] == [{"bom-ref": "path+file:///lineage-proxy/crates/cli"}]


@pytest.mark.parametrize("arch", ["arm64", "x86-64"])
def test_it_is_uploaded_as_it_is_under_any_prefix(machine, arch):
    release = machine.release()
    keys = put(machine.upload(release, "-a", arch, "-x", "team/lineage"))
    zips = {f"team/lineage/{zip.name}" for zip in (release / "functions").glob(f"*-{arch}-*")}
    assert len(zips) == 4 and zips < set(keys) and len(keys) == 11
    assert set(machine.named(arch).values()) - {"arm64", "x86_64"} == {key for key in zips if "source" not in key}
    assert machine.named(arch, "source-glue.yaml")["Source"] in zips
    # The script in a release needs no -z.
    own = machine.run(release / "sync_assets.sh", "-b", "assets", "-n", "-a", arch, "-x", "team/lineage", "-o", machine.folder / "own")
    assert put(own) == keys


def test_what_is_built_and_uploaded_at_once_is_a_release(machine):
    built = put(machine.run(machine.folder / "checkout/sync_assets.sh", "-b", "assets", "-n", "-o", machine.folder / "out"))
    named = machine.named("arm64")
    assert built == put(machine.upload(machine.release("-a", "arm64"))) and named == machine.named("arm64")
    machine.tool("cargo", '[ "$1" != lambda ] || exit 9')
    refused(machine.run(machine.folder / "checkout/sync_assets.sh", "-b", "assets", "-n", "-o", machine.folder / "out"), "cargo-lambda is needed")


def test_its_archives_are_uploaded_byte_for_byte(machine):
    """So that CodeSha256 of a function is the hash of its archive in SHA256SUMS."""
    release = machine.release("-a", "arm64")
    copies = machine.folder / "uploaded"
    copies.mkdir()
    machine.tool("aws", f"""case "$*" in *head-object*) echo '(404)' >&2; exit 1 ;; *put-object*) while [ $# -gt 0 ]; do case "$1" in --body) body="$2" ;; --key) key="$2" ;; esac; shift; done; cp "$body" "{copies}/$(basename "$key")" ;; esac""")
    machine.tool("cargo", "exit 9")
    done = machine.run(machine.folder / "checkout/sync_assets.sh", "-b", "assets", "-z", release, "-o", machine.folder / "out")
    assert done.returncode == 0, done.stderr
    archives = list((release / "functions").iterdir())
    assert len(archives) == 4
    assert {zip.name: zip.read_bytes() for zip in archives} == {copy.name: copy.read_bytes() for copy in copies.glob("*.zip")}


def test_all_of_the_examples_is_in_it_and_nothing_that_their_use_left_there(machine):
    listed = subprocess.run(["git", "ls-files", "examples/cdk", "examples/terraform"], cwd=ROOT, capture_output=True, text=True, check=True)
    for file in LEFT:
        (machine.folder / "checkout" / file).parent.mkdir(parents=True, exist_ok=True)
        (machine.folder / "checkout" / file).write_text("a secret\n")
    release = machine.release("-a", "arm64")
    released = {str(file.relative_to(release)) for file in release.glob("examples/**/*") if file.is_file()}
    assert released == set(listed.stdout.splitlines())


@pytest.mark.parametrize("file", ["lineage-proxy-0.1.0/VERSION", "lineage-proxy/lineage-proxy", *LEFT])
def test_a_release_and_what_the_examples_leave_are_no_change_of_the_sources(file):
    ignored = subprocess.run(["git", "check-ignore", "-q", file], cwd=ROOT)
    assert ignored.returncode == 0


def test_paths_are_those_of_the_folder_that_the_script_is_called_from(machine):
    machine.release("-a", "arm64")
    called_from = machine.folder / "elsewhere"
    (called_from / "rules").mkdir(parents=True)
    (called_from / "rules/transforms.yaml").write_text("version: 1\nrules: []\n")
    machine.tool("cargo", "exit 9")
    put(machine.run("../checkout/sync_assets.sh", "-b", "assets", "-n", "-z", "../release", "-t", "rules", "-o", "out", folder=called_from))
    assert (called_from / "out/openlineage-proxy.yaml").exists()


def test_rules_are_packed_with_its_batch_function(machine):
    release = machine.release("-a", "arm64")
    rules = machine.folder / "rules"
    rules.mkdir()
    (rules / "transforms.yaml").write_text("version: 1\nrules: []\n")
    plain, ruled = put(machine.upload(release)), put(machine.upload(release, "-t", rules))
    assert {key.split("-")[1] for key in set(plain) ^ set(ruled) if key.endswith(".zip")} == {"proxy/batch"}
    assert machine.named("arm64")["Batch"] in ruled


def refused(done, message):
    assert done.returncode != 0 and message in done.stderr, done.stderr
    assert "would put" not in done.stdout


def test_a_changed_byte_a_missing_file_and_one_that_nobody_described_are_refused(machine):
    release = machine.release("-a", "arm64")
    for file in ("functions/ingest", "templates/target"):
        [path] = release.glob(f"{file}*")
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        refused(machine.upload(release), f"{path.relative_to(release)} is not the file that SHA256SUMS describes: nothing was uploaded")
        path.unlink()
        refused(machine.upload(release), f"{path.relative_to(release)} is in SHA256SUMS and not there: nothing was uploaded")
        path.write_bytes(content)
    (release / "functions/ingest-arm64-0000000000000000.zip").write_bytes(b"PK")
    refused(machine.upload(release), "SHA256SUMS does not describe functions/ingest-arm64-0000000000000000.zip: nothing was uploaded")


def test_wrong_use_is_told(machine):
    mine = machine.folder / "mine"
    mine.mkdir()
    (mine / "file").write_text("")
    refused(machine.run(machine.folder / "checkout/release.sh", "-f", "-o", mine), "not a release")
    assert (mine / "file").exists()
    release = machine.release("-a", "arm64")
    refused(machine.upload(release, "-a", "x86-64"), "was not built for x86-64")
    refused(machine.upload(machine.folder / "out"), "no SHA256SUMS")
