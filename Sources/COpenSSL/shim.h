/* OpenSSL as the package sees it: public headers, and the macros Swift cannot import. */
#ifndef MIGRATIOND_COPENSSL_SHIM_H
#define MIGRATIOND_COPENSSL_SHIM_H
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* openssl/ssl.h: macros, and options whose type Swift does not take from a macro. */
static inline long copenssl_set_minimum_tls12(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/* Arrays move between a write and its repetition; idle connections keep no buffers. */
static inline void copenssl_set_server_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
}

static inline void copenssl_set_server_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
}

/* openssl/ssl.h: the name of the server that is called, for the choice of its certificate. */
static inline long copenssl_set_server_name(SSL *session, const char *name) {
    return SSL_set_tlsext_host_name(session, name);
}

/* openssl/ssl.h: no tickets and no cache, so that every handshake is a whole one. SSL_OP_NO_TICKET
   alone would leave TLS 1.3 with tickets that name an entry of the cache. */
static inline int copenssl_forbid_resumption(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_num_tickets(context, 0);
}

/* openssl/bio.h: an empty memory BIO asks for more instead of ending the stream. */
static inline BIO *copenssl_memory_bio(void) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio) BIO_set_mem_eof_return(bio, -1);
    return bio;
}

/* openssl/x509.h: a name as RFC 2253 writes it, characters outside ASCII escaped. */
static inline int copenssl_print_name(BIO *bio, const X509_NAME *name) {
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
}
#endif
