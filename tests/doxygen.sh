#!/bin/sh
# Makes the pages of the public headers: doxygen.sh OUTPUT_FOLDER. Fails if Doxygen has anything to complain of; then something
# public has no comment, or a comment names what is not there. Status 77 where there is no Doxygen.
set -eu
cd "$(dirname "$0")/.."
command -v doxygen >/dev/null || { echo "there is no doxygen here"; exit 77; }
{ cat docs/Doxyfile && echo "OUTPUT_DIRECTORY = $1"; } | doxygen -
