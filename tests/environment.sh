# shellcheck shell=bash
# Virtual environments for the tests in Python, of pinned versions, kept in the user's cache by the hash of their pins.
# Read by run.sh, reliability.sh and arm64.sh, also side by side.

cache="${PROXY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lineage-proxy}"

# An environment of that name and these pins, made once. Prints its folder.
environment() {
    local pins="$2" folder
    folder="$cache/venv-$1-$(sha256sum "$pins" | cut -c1-16)"
    mkdir -p "$cache"
    (
        flock 9
        [ -e "$folder/ready" ] && exit
        rm -rf "$folder"
        python3 -m venv "$folder" || {
            echo "$0: python3 with venv is needed (Debian: apt-get install python3-venv)" >&2
            exit 1
        }
        "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$pins" && touch "$folder/ready"
    ) 9>"$folder.lock" >&2 || exit 1
    echo "$folder"
}
