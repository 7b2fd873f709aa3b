#!/bin/sh
# Sees to programs that tests use and that no Python package brings: `system_packages.sh chromium flite`.
# On Debian as root it installs those that are missing; elsewhere it says so, and the tests that need them are skipped.
set -u
missing=
for name in "$@"; do
  case $name in
    chromium) found=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ;;
    *) found=$(command -v "$name") ;;
  esac
  [ -n "$found" ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; then
  echo "setting up (once):$missing, by apt-get …"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  if { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then exit 0; fi
  echo "apt-get could not install:$missing"
fi
echo "not installed:$missing. Tests that need them will be skipped and say so."
exit 0
