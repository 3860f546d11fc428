/* libpq as the package sees it: the public header and nothing else. */
#ifndef MIGRATIOND_CLIBPQ_SHIM_H
#define MIGRATIOND_CLIBPQ_SHIM_H
#include <libpq-fe.h>
#endif
