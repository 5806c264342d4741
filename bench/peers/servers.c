#include "peers/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number on a line that may be an address. */
static int read_port(FILE *answers)
{
    char line[256];
    if (!answers || !fgets(line, sizeof line, answers))
        return SERVER_NOT_HERE;
    const char *colon = strrchr(line, ':');
    int port = atoi(colon ? colon + 1 : line);
    return port > 0 ? port : SERVER_NOT_HERE;
}

/* The process itself becomes the program, for its CPU time is what is measured; a child of it waits
 * for the port. */
void peer_become(struct server_ends ends, const char *const words[])
{
    int out[2];
    if (!words[0] || pipe(out) < 0) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    if (fork() == 0) {
        close(out[1]);
        server_ready(ends, read_port(fdopen(out[0], "r")));
        _exit(0);
    }
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(1);
}

void peer_go_echo(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ PEER_SERVERS_GO, "echo", NULL });
}

void peer_go_http(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ PEER_SERVERS_GO, "http", NULL });
}

void peer_asyncio_echo(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ "python3", PEER_SERVERS_PYTHON, "streams", NULL });
}

void peer_asyncio_buffered_echo(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ "python3", PEER_SERVERS_PYTHON, "buffered", NULL });
}

void peer_uv_echo(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ PEER_SERVERS_UV, NULL });
}

void peer_weft_kv(struct server_ends ends)
{
    peer_become(ends, (const char *const[]){ PEER_SERVERS_KV, "--port", "0", NULL });
}
