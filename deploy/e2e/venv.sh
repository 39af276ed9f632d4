#!/usr/bin/env bash
# Make a virtual environment with a JupyterHub and what its users run. Usage: venv.sh VERSION FOLDER
#
# Needs `python3 -m venv`, Python 3.10 or later, nothing else. A folder that was left half made is made anew.
set -euo pipefail
version=$1 folder=$2

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  { echo "Python 3.10 or later is needed; python3 is $(python3 --version)" >&2; exit 1; }
python3 -c 'import ensurepip' 2>/dev/null ||
  { echo "python3 has no venv module: apt-get install python3-venv (Debian, Ubuntu)" >&2; exit 1; }

rm -rf "$folder"
python3 -m venv "$folder"
# Pinned: close codes and dialogs that e2e looks at are those of these versions.
"$folder/bin/pip" install --quiet --disable-pip-version-check \
  "jupyterhub==$version" jupyterlab==4.6.6 jupyter-collaboration==5.0.4
touch "$folder/.ready"
