/* Opens connections and leaves a request half said on each, as a slow or a hostile client does.
 * usage: hold PORT COUNT SECONDS [BYTES_A_SECOND]
 * Prints "held COUNT" once all are open, and at the end, after SECONDS or when all were closed by the server, how many
 * were. With a rate a header goes on, byte by byte, on each. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int open_one(int port) {
    static const char half[] = "POST /latent/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s >= 0 && !connect(s, (struct sockaddr *)&to, sizeof to) && send(s, half, sizeof half - 1, MSG_NOSIGNAL) > 0)
        return s;
    perror("hold");
    exit(1);
}

static int is_closed(int s) {
    char byte;
    const ssize_t size = recv(s, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

static int count_closed(const int *sockets, int count) {
    int closed = 0;
    for (int i = 0; i < count; i++) closed += is_closed(sockets[i]);
    return closed;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const int port = atoi(argv[1]), count = atoi(argv[2]), tenths = 10 * atoi(argv[3]), drips = argc > 4;
    int *sockets = calloc((size_t)count, sizeof *sockets), closed = 0;
    for (int i = 0; i < count; i++) sockets[i] = open_one(port);
    printf("held %d\n", count);
    fflush(stdout);
    for (int t = 0; t < tenths && closed < count; t++) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        for (int i = 0; i < count && drips; i++)
            if (send(sockets[i], "x", 1, MSG_NOSIGNAL) < 0) continue;
        closed = count_closed(sockets, count);
    }
    printf("closed %d\n", closed);
    free(sockets);
    return 0;
}
