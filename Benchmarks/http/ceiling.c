#define _GNU_SOURCE
/* The ceiling: one thread, epoll, a request a read, two answers that were made beforehand.
 *
 *     ceiling PORT
 *
 * It understands nothing but that a request ends in an empty line and begins with "GET /s" or
 * "GET /l"; whatever a server does beyond that, it pays for.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, INPUT = 8192, HEAD = 256, LARGE = 1024, SMALL = 20 };

static char small[HEAD + SMALL], large[HEAD + LARGE];
static size_t small_length, large_length;

static size_t make(char *answer, int body) {
    int length = snprintf(answer, HEAD,
                          "HTTP/1.1 200 OK\r\nServer: ceiling\r\n"
                          "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                          "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n", body);
    memset(answer + length, 'a', (size_t)body);
    return (size_t)(length + body);
}

static int listen_on(int port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0
        || listen(listener, 1024) != 0) {
        perror("ceiling");
        exit(1);
    }
    return listener;
}

static void accept_all(int poller, int listener) {
    int one = 1, client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poller, EPOLL_CTL_ADD, client, &event);
    }
}

static void answer(int client) {
    char input[INPUT];
    ssize_t count = read(client, input, sizeof input);
    if (count < 8 || memcmp(input + count - 4, "\r\n\r\n", 4) != 0) {
        close(client);
        return;
    }
    int is_small = input[5] == 's';
    if (write(client, is_small ? small : large, is_small ? small_length : large_length) < 0)
        close(client);
}

int main(int count, char **arguments) {
    int listener = listen_on(count > 1 ? atoi(arguments[1]) : 0), poller = epoll_create1(0);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    small_length = make(small, SMALL);
    large_length = make(large, LARGE);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            if (events[index].data.fd == listener) accept_all(poller, listener);
            else answer(events[index].data.fd);
        }
    }
}
