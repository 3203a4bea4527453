#!/usr/bin/env bash
# Installs the Debian packages of the named commands where they are missing.
set -euo pipefail
missing=()
for tool in "$@"; do
    command -v "$tool" >/dev/null && continue
    case "$tool" in
        cc) missing+=(build-essential) ;;
        *) missing+=("$tool") ;;
    esac
done
[ "${#missing[@]}" -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "please install: ${missing[*]}" >&2
    exit 1
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq "${missing[@]}"
