#!/bin/sh
# Makes .venv and installs this project in it: `setup.sh run` what `make run` needs, `setup.sh dev` all that tests need.
# Does nothing when that was done before and pyproject.toml, the locks and what is compiled are the same.
set -eu
cd "$(dirname "$0")/.."
kind=$1
case $kind in
  run) lock=requirements.lock extras=local ;;
  dev) lock=requirements-dev.lock extras=dev ;;
  *) echo "usage: tools/setup.sh run|dev" >&2; exit 2 ;;
esac

# A virtual environment holds absolute paths, so a moved folder needs a new one.
key="$(pwd) $(cat pyproject.toml hatch_build.py src/fullduplex/_native.c requirements.lock requirements-dev.lock | cksum)"
done_before() { [ -x .venv/bin/fullduplex ] && [ "$(cat ".venv/.installed-$1" 2>/dev/null)" = "$key" ]; }
if done_before "$kind" || { [ "$kind" = run ] && done_before dev; }; then exit 0; fi

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
# A .venv that somebody else made here is used as it is; only our own, moved or broken, is made anew.
if ! usable .venv/bin/python || [ "$(cat .venv/.made-in 2>/dev/null || pwd)" != "$(pwd)" ]; then
  python=
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if usable "$candidate"; then python=$candidate; break; fi
  done
  [ -n "$python" ] || { echo "Fullduplex needs Python 3.11 or newer (found: $(python3 --version 2>&1))" >&2; exit 1; }
  echo "setting up (once): a virtual environment in .venv with $("$python" --version)"
  "$python" -m venv --clear .venv || {
    echo "python3 -m venv does not work here; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
  pwd > .venv/.made-in
fi

rm -f .venv/.installed-*
pip() { PYTHONUNBUFFERED=1 .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input "$@"; }
echo "setting up (once): $(grep -c == "$lock") packages from $lock …"
pip -r "$lock"
echo "setting up (once): fullduplex[$extras] itself …"
pip --no-deps -e ".[$extras]"
.venv/bin/python -c 'import sys; from fullduplex import native; sys.exit(not native.AVAILABLE)' ||
  echo "setting up (once): nothing could be compiled (docs/dependencies.md): a call takes more CPU, all else is the same"
echo "$key" > ".venv/.installed-$kind"
