/*
 * Definitions in the program come before those of a shared library, so the functions here are called
 * in the place of libpq's. Each counts, breaks the connection when its turn has come, as a network
 * does, and then lets libpq itself find out.
 */
#define _GNU_SOURCE
#include "failing_pq.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char armed[64];
static int breaks_at;
static int calls;

void failing_pq_arm(const char *database, int nth) {
    pthread_mutex_lock(&lock);
    strncpy(armed, database, sizeof armed - 1);
    breaks_at = nth;
    calls = 0;
    pthread_mutex_unlock(&lock);
}

int failing_pq_disarm(void) {
    pthread_mutex_lock(&lock);
    armed[0] = 0;
    int counted = calls;
    pthread_mutex_unlock(&lock);
    return counted;
}

static void count(PGconn *connection) {
    if (!connection) return;
    const char *database = PQdb(connection);
    pthread_mutex_lock(&lock);
    int is_mine = armed[0] && database && !strcmp(database, armed);
    int is_broken = is_mine && ++calls == breaks_at;
    pthread_mutex_unlock(&lock);
    if (is_broken && PQsocket(connection) >= 0) shutdown(PQsocket(connection), SHUT_RDWR);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

PGconn *PQconnectStartParams(const char *const *names, const char *const *values, int expand) {
    PGconn *connection = REAL(PQconnectStartParams)(names, values, expand);
    count(connection);
    return connection;
}

PostgresPollingStatusType PQconnectPoll(PGconn *connection) {
    count(connection);
    return REAL(PQconnectPoll)(connection);
}

int PQsendQuery(PGconn *connection, const char *query) {
    count(connection);
    return REAL(PQsendQuery)(connection, query);
}

int PQsendQueryParams(PGconn *connection, const char *command, int count_of, const Oid *types,
                      const char *const *values, const int *lengths, const int *formats,
                      int result_format) {
    count(connection);
    return REAL(PQsendQueryParams)(connection, command, count_of, types, values, lengths, formats,
                                   result_format);
}

int PQflush(PGconn *connection) {
    count(connection);
    return REAL(PQflush)(connection);
}

int PQconsumeInput(PGconn *connection) {
    count(connection);
    return REAL(PQconsumeInput)(connection);
}

PGresult *PQgetResult(PGconn *connection) {
    count(connection);
    return REAL(PQgetResult)(connection);
}

int PQgetCopyData(PGconn *connection, char **buffer, int async) {
    count(connection);
    return REAL(PQgetCopyData)(connection, buffer, async);
}

int PQputCopyEnd(PGconn *connection, const char *message) {
    count(connection);
    return REAL(PQputCopyEnd)(connection, message);
}
