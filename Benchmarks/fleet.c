/*
 * The ceiling: sends ready-made SQL messages to a fleet of tenants over libpq, and nothing else.
 *
 *     fleet --conninfo TEXT --messages FILE [--connections 4] [--recycle 500]
 *
 * FILE holds the tenants one after another. A message ends with a NUL byte; an empty message ends
 * the tenant. A tenant's messages go over one connection, in order, each as one PQexec. Every
 * connection is a thread; a thread takes the next tenant as soon as it is done with the last one,
 * and opens its connection anew after --recycle tenants, since a backend remembers every schema
 * that it has touched. Prints one line of JSON; the clock starts before the first connection.
 */
#include <getopt.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const char *conninfo;
static const char **tenants; /* the first message of each */
static size_t tenant_count;
static long recycle_after = 500;
static atomic_size_t next_tenant;

static void die(const char *what, const char *detail) {
    fprintf(stderr, "fleet: %s: %s\n", what, detail);
    exit(1);
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) die("cannot open", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    if (!text || fread(text, 1, *size, file) != *size) die("cannot read", path);
    fclose(file);
    return text;
}

/* Points `tenants` into the file: each begins after an empty message. */
static void find_tenants(const char *text, size_t size) {
    if (size < 2 || text[size - 1] || text[size - 2]) die("messages", "no empty message at the end");
    for (int pass = 0; pass < 2; pass++) {
        tenant_count = 0;
        for (const char *at = text; at < text + size; at++) {
            if (pass) tenants[tenant_count] = at;
            tenant_count++;
            while (*at) at += strlen(at) + 1;
        }
        if (!pass) tenants = malloc(tenant_count * sizeof *tenants);
    }
}

static PGconn *open_connection(void) {
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) die("connect", PQerrorMessage(connection));
    return connection;
}

static void send_message(PGconn *connection, const char *message) {
    PGresult *result = PQexec(connection, message);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        die("message failed", PQerrorMessage(connection));
    }
    PQclear(result);
}

static void *work(void *unused) {
    PGconn *connection = open_connection();
    long done = 0;
    for (;;) {
        size_t tenant = atomic_fetch_add(&next_tenant, 1);
        if (tenant >= tenant_count) break;
        if (done++ == recycle_after) {
            PQfinish(connection);
            connection = open_connection();
            done = 1;
        }
        for (const char *message = tenants[tenant]; *message; message += strlen(message) + 1) {
            send_message(connection, message);
        }
    }
    PQfinish(connection);
    return unused;
}

static double seconds(struct timespec time) { return (double)time.tv_sec + time.tv_nsec / 1e9; }

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"conninfo", required_argument, NULL, 'i'},
                                            {"messages", required_argument, NULL, 'm'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"recycle", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *messages = NULL;
    long connections = 4;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'i': conninfo = optarg; break;
        case 'm': messages = optarg; break;
        case 'c': connections = strtol(optarg, NULL, 10); break;
        case 'r': recycle_after = strtol(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (!conninfo || !messages || connections < 1 || connections > 1000 || recycle_after < 1) {
        die("usage", "--conninfo TEXT --messages FILE [--connections 4] [--recycle 500]");
    }
    size_t size;
    const char *text = read_file(messages, &size);
    find_tenants(text, size);

    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pthread_t *threads = malloc((size_t)connections * sizeof *threads);
    for (long i = 0; i < connections; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (long i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);

    double elapsed = seconds(end) - seconds(start);
    printf("{\"tenants\": %zu, \"seconds\": %.4f, \"tenants_per_second\": %.2f, "
           "\"cpu_seconds\": %.4f}\n",
           tenant_count, elapsed, (double)tenant_count / elapsed, cpu_seconds());
    return 0;
}
