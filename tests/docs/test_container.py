"""The Containerfile, as far as it can be checked without a container engine."""

import json
import pathlib
import re
import shutil
import subprocess

from dockerfile_parse import DockerfileParser

from snippets import BINARY, ROOT, environment, succeeds


def instructions():
    """The instructions of the Containerfile."""
    parser = DockerfileParser(fileobj=(ROOT / "Containerfile").open("rb"))
    return [(part["instruction"], part["value"]) for part in parser.structure if part["instruction"] != "COMMENT"]


def values(instruction):
    """The values of all instructions of that kind."""
    return [value for name, value in instructions() if name == instruction]


def context(folder):
    """Copies the files that .dockerignore leaves in the build's context; the last pattern that matches decides."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = pathlib.PurePosixPath(name)
        is_in = True
        for pattern in patterns:
            bare = pattern.removeprefix("!").removeprefix("**/")
            if any(part.match(bare) for part in (path, *path.parents[:-1])):
                is_in = pattern[0] == "!"
        if is_in:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def test_the_build_has_the_compiler_that_the_workspace_needs():
    needed = re.search(r'(?m)^rust-version = "([\d.]+)"$', (ROOT / "Cargo.toml").read_text())[1]
    assert f"rust:{needed}-" in values("FROM")[0]


def test_the_context_has_all_that_cargo_needs(tmp_path):
    context(tmp_path)
    metadata = json.loads(succeeds("cargo", "metadata", "--locked", "--offline", "--format-version", "1", cwd=tmp_path))
    assert any(package["name"] == "lineage-proxy" for package in metadata["packages"])
    for file in tmp_path.rglob("*.rs"):
        for included in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', file.read_text()):
            # What tests include need not be there: only the binary is built.
            if "test" not in str(file.relative_to(tmp_path)) and "benches" not in file.parts:
                assert (file.parent / included).exists(), (file, included)


def test_the_binary_that_is_built_is_the_one_that_runs():
    entry = json.loads(values("ENTRYPOINT")[0])[0]
    assert any(value.endswith(entry) for value in values("COPY"))
    health = json.loads(values("HEALTHCHECK")[0].partition("CMD ")[2])
    assert health[0] == entry
    succeeds(BINARY, *health[1:], "--help")


def test_its_settings_are_settings_and_its_port_is_exposed(tmp_path):
    variables = dict(pair.split("=") for value in values("ENV") for pair in value.replace("\\", " ").split())
    assert variables["LINEAGE_PROXY_LISTEN"].rpartition(":")[2] == values("EXPOSE")[0]
    assert variables["LINEAGE_PROXY_DATA_DIR"] == values("VOLUME")[0]
    variables["LINEAGE_PROXY_DATA_DIR"] = str(tmp_path / "data")
    command = [BINARY, *json.loads(values("CMD")[0]), "--check", "--allow-anonymous"]
    succeeds(*command, env=environment(tmp_path) | variables)
