#!/bin/sh
# Fuzzes the parser and the connection machine under AddressSanitizer.
#
#     run.sh SECONDS [FOLDER]
#
# Builds into FOLDER (default: a temporary one, removed afterwards), begins with corpus.txt, and ends
# with an error if anything was found; FOLDER then holds the input. `run.sh 600 x && ./corpus.py x/corpus`
# renews corpus.txt.
set -eu
seconds=${1:?usage: run.sh SECONDS [FOLDER]}
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../../../Sources" && pwd)
if [ $# -gt 1 ]; then
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/corpus"
python3 "$here/corpus.py" --unpack "$folder/corpus"
swiftc -O -g -swift-version 6 -parse-as-library -sanitize=address -emit-module -emit-library -static \
    -module-name Descriptors -package-name migrationd -module-link-name Descriptors \
    -emit-module-path "$folder/Descriptors.swiftmodule" -o "$folder/libDescriptors.a" \
    "$sources"/Descriptors/*.swift
find "$sources/HTTPLite" -name '*.swift' -exec swiftc -O -g -swift-version 6 -parse-as-library \
    -sanitize=fuzzer,address -module-name HTTPLiteFuzz -package-name migrationd -I "$folder" -L "$folder" \
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
    -enable-upcoming-feature NonisolatedNonsendingByDefault \
    -Xcc -fmodule-map-file="$sources/CSystem/module.modulemap" \
    -Xcc -fmodule-map-file="$sources/COpenSSL/module.modulemap" \
    -Xcc -fmodule-map-file="$sources/CZlib/module.modulemap" \
    -I "$sources/CSystem" -I "$sources/COpenSSL" -I "$sources/CZlib" \
    "$here/Harness.swift" -lssl -lcrypto -lz -o "$folder/fuzz" {} +
cd "$folder"
# Swift's own crash reporter would hang inside libFuzzer's.
SWIFT_BACKTRACE=enable=no ./fuzz corpus -dict="$here/words.dict" -max_len=600 -timeout=10 \
    -rss_limit_mb=2048 -max_total_time="$seconds" -print_final_stats=1
