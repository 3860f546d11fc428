#!/bin/sh
# Swift asks for `package import` in a file, and then warns that the file has no use for it.
#
# With InternalImportsByDefault a module whose types stand in a package declaration has to be imported by
# `package import`. Where the only such type is what the function of a typealias throws, both answers are
# wrong for each other: with `internal import` the typealias is refused since it "uses an internal type",
# with `package import` the compiler warns that the import "was not used in package declarations". The same
# file with `public`, and a function with the same typed throws, are taken without a word.
#
# In: Swift 6.3.1 (also -swift-version 6).
# A good guess: one of the two imports is right, and the compiler says which.
# Hurts: whoever splits a package into modules with warnings as errors: the file builds in neither form until
# the typealias moves beside another declaration that names the module's types.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

printf 'package struct Failure: Error { package init() {} }\npublic struct Open: Error {}\n' >Low.swift
swiftc -emit-module -module-name Low -parse-as-library -package-name p Low.swift

swiftc --version 2>&1 | head -n 1

# $1: how Low is imported; $2: the declaration.
ask() {
    printf '%s import Low\n%s\n' "$1" "$2" >High.swift
    said=$(swiftc -typecheck -swift-version 6 -package-name p -I . \
        -enable-upcoming-feature InternalImportsByDefault High.swift 2>&1 || true)
    answer=$(printf '%s\n' "$said" | sed -n 's/^High.swift:[0-9:]* \(error\|warning\): .*/\1/p' | head -n 1)
    printf '%-8s import, %-58s %s\n' "$1" "$2" "${answer:-fine}"
}

alias='typealias Note = () throws(Failure) -> Void'
seen=
ask internal "package $alias"
seen="$seen ${answer:-fine}"
ask package "package $alias"
seen="$seen ${answer:-fine}"
ask package 'package func note() throws(Failure) {}'
seen="$seen ${answer:-fine}"
ask public 'public typealias Note = () throws(Open) -> Void'
seen="$seen ${answer:-fine}"

[ "$seen" = " error warning fine fine" ]
