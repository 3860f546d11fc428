#!/bin/sh
# Swift ends what an Array owns before the call that uses it, although a plain `let` lives on.
#
# Since Swift 5.7 a variable has a lexical lifetime: the optimiser does not move the end of an object
# that a `let` holds in front of a call of unknown code. So a class that closes a descriptor in its
# `deinit` seems safe until the call that uses the bare number has returned. For an Array that holds
# the same object this is not so: it is released right after its last use, here the `map` that makes
# the argument, before the call begins.
#
# In: Swift 6.3.1, release builds (-O). A debug build shows no difference, so its tests pass.
# A good guess: the rule for a `let` holds for what a `let` array holds.
# Hurts: whoever passes `owners.map(\.descriptor)` to posix_spawn, poll or a C library: the numbers are
# closed, and given out again, before they are used. `withExtendedLifetime(owners)` or a ~Copyable
# owner that the callee borrows is the way out.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/main.swift" <<'SWIFT'
#if canImport(Glibc)
    import Glibc
#endif

final class Owner {
    let number: Int32
    init(_ number: Int32) { self.number = number }
    deinit { puts("  \(number) released") }
}

/// Code that the optimiser knows nothing of.
@inline(never) @_optimize(none)
func use(_ numbers: [Int32]) {
    puts("  used: \(numbers)")
}

@inline(never)
func ofOne() {
    let owner = Owner(1)
    use([owner.number])
}

@inline(never)
func ofAnArray() {
    let owners = [Owner(2), Owner(3)]
    use(owners.map(\.number))
}

@inline(never)
func ofAnArrayHeld() {
    let owners = [Owner(4), Owner(5)]
    withExtendedLifetime(owners) { use(owners.map(\.number)) }
}

puts("one, by let")
ofOne()
puts("an array, by let")
ofAnArray()
puts("an array, withExtendedLifetime")
ofAnArrayHeld()
SWIFT

swiftc --version 2>/dev/null | head -n 1
result=0
for mode in -Onone -O; do
    swiftc $mode -o "$folder/program" "$folder/main.swift"
    "$folder/program" >"$folder/output"
    echo "== swiftc $mode"
    cat "$folder/output"
    # The order of "used" and "released" in the three cases.
    order=$(sed -n 's/.*\(used\|released\).*/\1/p' "$folder/output" | tr '\n' ' ')
    case $mode in
    -Onone) expected="used released used released released used released released " ;;
    *) expected="used released released released used used released released " ;;
    esac
    if [ "$order" != "$expected" ]; then
        echo "CHANGED: expected '$expected', saw '$order'"
        result=1
    fi
done
exit $result
