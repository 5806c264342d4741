#include "peers/nginx.h"

#include "hello.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNPACKED "build/peers/nginx"

static const char configuration[] =
    "daemon off; master_process off; pid /dev/null; error_log /dev/null crit;\n"
    "events { worker_connections 4096; multi_accept on; }\n"
    "http {\n"
    "  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 1h;\n"
    "  client_body_temp_path /tmp; proxy_temp_path /tmp; fastcgi_temp_path /tmp;\n"
    "  uwsgi_temp_path /tmp; scgi_temp_path /tmp;\n"
    "  default_type \"text/plain; charset=utf-8\";\n"
    "  server { listen 127.0.0.1:%d; location / { return 200 \"hello, world\\n\"; }\n"
    "    location /json { default_type application/json; return 200 '" HELLO_PRODUCT "\\n'; } }\n"
    "}\n";

static const char *program(void)
{
    static const char *const paths[] = { UNPACKED "/usr/sbin/nginx", "/usr/sbin/nginx" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The configuration, in memory; its descriptor. */
static int configure(int port)
{
    char text[1024];
    int size = snprintf(text, sizeof text, configuration, port);
    int fd = memfd_create("nginx.conf", 0);
    if (fd < 0 || write(fd, text, (size_t)size) != size)
        die("nginx.conf");
    return fd;
}

/* A port that is free now. */
static int free_port(void)
{
    int port, fd = server_listen(&port);
    close(fd);
    return port;
}

/* nginx tells nobody that it listens, so it is asked: for 5 s, then it is not here. */
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

/* The process becomes nginx; a child of it waits until it listens. */
void http_nginx(struct server_ends ends)
{
    char here[512], libraries[640], path[64];
    if (!program()) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    int port = free_port(), fd = configure(port);
    if (!getcwd(here, sizeof here))
        die("nginx");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    snprintf(libraries, sizeof libraries, "%s/" UNPACKED "/usr/lib/x86_64-linux-gnu", here);
    setenv("LD_LIBRARY_PATH", libraries, 1);
    if (fork() == 0) {
        server_ready(ends, await_port(port));
        _exit(0);
    }
    execl(program(), "nginx", "-p", "/tmp", "-c", path, "-e", "/dev/null", (char *)NULL);
    die("nginx");
}
