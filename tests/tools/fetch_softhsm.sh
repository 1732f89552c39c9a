#!/usr/bin/env bash
# Lays SoftHSM, a PKCS#11 token in software, into .tools/softhsm without root and without
# installing anything: two Debian packages, pinned by version and SHA-256, unpacked. Tests that
# need a token look here first and then among what is installed (tests/tools/softhsm.py).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=.tools/softhsm
version=2.6.1-2.1
sums="8c29aa37b082c2904d5ff8c65432e6b018929687400854dbeafd1c2a787d3508  libsofthsm2_${version}_amd64.deb
10bf00517295d1da6229684a73fbf90d64841d0a8df69517dc0004586720d04e  softhsm2_${version}_amd64.deb"

draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
packages=("libsofthsm2:amd64=$version" "softhsm2:amd64=$version")

# Where the machine has no package lists, or old ones, fetch some for this once.
own_lists() {
  mkdir -p "$draft/lists/partial" "$draft/cache/archives/partial"
  apt=(apt-get -q=2 -o "Dir::State::lists=$draft/lists" -o "Dir::Cache=$draft/cache" -o Debug::NoLocking=1)
  "${apt[@]}" update && (cd "$draft" && "${apt[@]}" download "${packages[@]}")
}
(cd "$draft" && apt-get -q=2 download "${packages[@]}" 2>/dev/null) || own_lists
(cd "$draft" && sha256sum --check --quiet - <<<"$sums")

mkdir "$draft/root"
for package in "$draft"/*.deb; do dpkg -x "$package" "$draft/root"; done
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv "$draft/root" "$target"
