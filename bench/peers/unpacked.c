#include "peers/unpacked.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FOLDER "build/peers"
#if defined __aarch64__
#    define LIBRARIES "usr/lib/aarch64-linux-gnu"
#else
#    define LIBRARIES "usr/lib/x86_64-linux-gnu"
#endif

static void die(const char *what)
{
    perror(what);
    exit(1);
}

const char *unpacked_program(const char *name, const char *path)
{
    static char found[512];
    snprintf(found, sizeof found, FOLDER "/%s/%s", name, path);
    if (access(found, X_OK) == 0)
        return found;
    snprintf(found, sizeof found, "/%s", path);
    return access(found, X_OK) == 0 ? found : NULL;
}

int unpacked_port(void)
{
    int port, fd = server_listen(&port);
    close(fd);
    return port;
}

/* For 5 s; then it is not here. */
static int await_port(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int tries = 0; tries < 5000; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int err = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (err == 0)
            return port;
        usleep(1000);
    }
    return SERVER_NOT_HERE;
}

static void find_libraries(const char *name)
{
    char here[512], libraries[640];
    if (!getcwd(here, sizeof here))
        die(name);
    snprintf(libraries, sizeof libraries, "%s/" FOLDER "/%s/" LIBRARIES, here, name);
    setenv("LD_LIBRARY_PATH", libraries, 1);
}

void unpacked_become(struct server_ends ends, const char *name, int port, const char *const words[])
{
    find_libraries(name);
    if (fork() == 0) {
        server_ready(ends, await_port(port));
        _exit(0);
    }
    execv(words[0], (char *const *)(uintptr_t)words);
    die(words[0]);
}
