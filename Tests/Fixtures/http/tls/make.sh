#!/bin/sh
# Makes the certificates of the tests: two servers' and two clients', signed by one authority, and a
# stranger's. They are valid for a hundred years and secure nothing.
set -eu
cd "$(dirname "$0")"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

signed() { # name, subject, extended use
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" \
            -days 36500 -extfile extensions.tmp -out "$1.pem" 2>/dev/null
}

printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' >extensions.tmp
key ca
openssl req -x509 -new -key ca.key -days 36500 -subj "/O=HTTPLite tests/CN=Authority" -out ca.pem
signed server "/CN=first"
signed renewed "/CN=second"
signed client "/O=acme/CN=ci"
signed twins "/CN=one/CN=two"
key stranger
openssl req -x509 -new -key stranger.key -days 36500 -subj "/CN=ci" -out stranger.pem
rm -f extensions.tmp ca.key && chmod 644 ./*.key
