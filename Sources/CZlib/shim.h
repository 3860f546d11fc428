/* zlib as the package sees it: public headers, and the macros Swift cannot import. */
#ifndef MIGRATIOND_CZLIB_SHIM_H
#define MIGRATIOND_CZLIB_SHIM_H
#include <zlib.h>

/* zlib.h: a macro; 16 more than the largest window asks for gzip's own frame. */
static inline int czlib_start_gzip(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL - 1,
                        Z_DEFAULT_STRATEGY);
}

/* zlib.h: a macro; the counterpart, for tests. */
static inline int czlib_start_gunzip(z_stream *stream) {
    return inflateInit2(stream, MAX_WBITS + 16);
}
#endif
