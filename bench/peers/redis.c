#include "peers/redis.h"

#include "peers/unpacked.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void redis_server(struct server_ends ends)
{
    const char *program = unpacked_program("redis", "usr/bin/redis-server");
    char text[16];
    if (!program) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    int port = unpacked_port();
    snprintf(text, sizeof text, "%d", port);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
    unpacked_become(ends, "redis", port,
                    (const char *const[]){ program, "--port", text, "--bind", "127.0.0.1", "--save",
                                           "", "--appendonly", "no", "--dir", "/tmp", NULL });
}
